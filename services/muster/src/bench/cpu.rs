//! How much time of the processors each part takes, as far as it runs on this machine.

use std::collections::BTreeMap;

/// What the system counts in: hundredths of a second, on every platform that Muster is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process whose name tells which part it is. Those of Muster all have the same name, and are told apart by id.
const SERVERS: [(&str, Part); 4] = [
    ("postgres", Part::Postgres),
    ("beam.smp", Part::RabbitMq),
    ("redis-server", Part::Redis),
    ("valkey-server", Part::Redis),
];

/// Who takes time, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Postgres,
    Workers,
    Ingest,
    Status,
    RabbitMq,
    Redis,
}

impl Part {
    pub(super) const ALL: [Self; 6] =
        [Self::Postgres, Self::Workers, Self::Ingest, Self::Status, Self::RabbitMq, Self::Redis];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Workers => "workers",
            Self::Ingest => "ingest",
            Self::Status => "status",
            Self::RabbitMq => "rabbitmq",
            Self::Redis => "redis",
        }
    }

    /// Of a process of Muster, by the name under which its memory is watched.
    fn of_process(name: &str) -> Self {
        match name {
            "ingest" => Self::Ingest,
            "status" => Self::Status,
            _ => Self::Workers,
        }
    }
}

/// The seconds that each part has taken so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage(BTreeMap<Part, f64>);

impl Usage {
    /// Looks at the servers and at these processes of Muster. Several servers of a kind are one part, and whatever
    /// runs elsewhere is missing.
    pub(super) fn now(muster: &[(String, u32)]) -> Self {
        let mut usage = Self::default();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { continue };
            let Some((command, seconds)) = read_stat(&stat) else { continue };
            let of_muster = muster.iter().find(|(_, known)| *known == pid).map(|(name, _)| Part::of_process(name));
            let of_server = || SERVERS.iter().find(|(name, _)| *name == command).map(|(_, part)| *part);
            if let Some(part) = of_muster.or_else(of_server) {
                *usage.0.entry(part).or_default() += seconds;
            }
        }
        usage
    }

    /// What was taken since an earlier look.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let taken = |(part, seconds): (&Part, &f64)| (*part, seconds - earlier.of(*part).unwrap_or_default());
        Self(self.0.iter().map(taken).collect())
    }

    pub(super) fn of(&self, part: Part) -> Option<f64> {
        self.0.get(&part).copied()
    }
}

/// Name and seconds of a process, with those of the children that it has seen end: Postgres' connections are
/// processes that come and go.
fn read_stat(stat: &str) -> Option<(&str, f64)> {
    // The name may have spaces and parentheses itself.
    let (begin, end) = (stat.find('(')? + 1, stat.rfind(')')?);
    let ticks = stat.get(end + 1..)?.split_whitespace().skip(11).take(4);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Some((stat.get(begin..end)?, ticks / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_has_that_of_its_children() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 200 0 0 150 50 1000 300 20 0 1 0 5 6 7\n";
        assert_eq!(read_stat(stat), Some(("a (b) c", 15.0)));
    }

    #[test]
    fn time_is_counted_from_an_earlier_look() {
        let (earlier, later) = (Usage([(Part::Ingest, 1.0)].into()), Usage([(Part::Ingest, 3.5)].into()));
        assert_eq!(later.since(&earlier).of(Part::Ingest), Some(2.5));
        assert_eq!(later.since(&earlier).of(Part::Redis), None);
    }
}
