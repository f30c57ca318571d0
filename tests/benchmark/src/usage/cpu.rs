//! The CPU time of each part that runs on this machine.

use std::collections::BTreeMap;

/// The kernel counts CPU time in hundredths of a second on every platform that Muster is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Servers by the names of their processes. The processes of Muster share one name and are identified by process id.
const SERVERS: [(&str, Part); 4] = [
    ("postgres", Part::Postgres),
    ("beam.smp", Part::RabbitMq),
    ("redis-server", Part::Redis),
    ("valkey-server", Part::Redis),
];

/// The parts of the system, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Postgres,
    Workers,
    Ingest,
    Status,
    RabbitMq,
    Redis,
}

impl Part {
    pub(crate) const ALL: [Self; 6] =
        [Self::Postgres, Self::Workers, Self::Ingest, Self::Status, Self::RabbitMq, Self::Redis];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Workers => "workers",
            Self::Ingest => "ingest",
            Self::Status => "status",
            Self::RabbitMq => "rabbitmq",
            Self::Redis => "redis",
        }
    }

    /// The part that a process of Muster belongs to, by the name under which its memory is sampled.
    fn from_process_name(name: &str) -> Self {
        match name {
            "ingest" => Self::Ingest,
            "status" => Self::Status,
            _ => Self::Workers,
        }
    }
}

/// The CPU time of each part, in seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuSeconds(BTreeMap<Part, f64>);

impl CpuSeconds {
    /// Reads the CPU time so far of the servers and of these processes of Muster, given as name and process id. Several
    /// servers of a kind are one part. A part that runs on another machine is absent.
    pub(crate) fn read(muster: &[(String, u32)]) -> Self {
        let mut seconds_by_part = Self::default();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { continue };
            let Some((command, seconds)) = parse_stat(&stat) else { continue };
            let muster_part =
                muster.iter().find(|(_, known)| *known == pid).map(|(name, _)| Part::from_process_name(name));
            let server_part = || SERVERS.iter().find(|(name, _)| *name == command).map(|(_, part)| *part);
            if let Some(part) = muster_part.or_else(server_part) {
                *seconds_by_part.0.entry(part).or_default() += seconds;
            }
        }
        seconds_by_part
    }

    /// The CPU time between `earlier` and this reading.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let difference = |(part, seconds): (&Part, &f64)| (*part, seconds - earlier.get(*part).unwrap_or_default());
        Self(self.0.iter().map(difference).collect())
    }

    pub(crate) fn get(&self, part: Part) -> Option<f64> {
        self.0.get(&part).copied()
    }
}

/// Parses `/proc/PID/stat`: the name of the process, and its CPU seconds including those of children that have ended,
/// because each connection to Postgres is a process of its own.
fn parse_stat(line: &str) -> Option<(&str, f64)> {
    // The name can contain spaces and parentheses.
    let (start, end) = (line.find('(')? + 1, line.rfind(')')?);
    let ticks = line.get(end + 1..)?.split_whitespace().skip(11).take(4);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Some((line.get(start..end)?, ticks / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_includes_its_children() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 200 0 0 150 50 1000 300 20 0 1 0 5 6 7\n";
        assert_eq!(parse_stat(stat), Some(("a (b) c", 15.0)));
    }

    #[test]
    fn time_is_counted_from_an_earlier_reading() {
        let (earlier, later) = (CpuSeconds([(Part::Ingest, 1.0)].into()), CpuSeconds([(Part::Ingest, 3.5)].into()));
        assert_eq!(later.since(&earlier).get(Part::Ingest), Some(2.5));
        assert_eq!(later.since(&earlier).get(Part::Redis), None);
    }
}
