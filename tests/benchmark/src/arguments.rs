//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use secrecy::SecretString;

/// Compares Muster with scripts for psql and sqlite3, on the same servers and in the same run.
#[derive(Debug, Parser)]
#[command(name = "muster-benchmark", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The muster program to measure (default: the one next to this program).
    #[arg(long, env = "MUSTER_BIN", value_name = "PATH")]
    pub(crate) muster_bin: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) servers: Servers,
    /// Rows of a file.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    pub(crate) rows: u64,
    /// How many times to measure each case. Medians are printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) rounds: u32,
    /// Number of worker processes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) workers: u16,
    /// Run only this scenario. Repeat the flag for several.
    #[arg(long)]
    pub(crate) only: Vec<Scenario>,
    /// Also import files of five and ten times as many rows.
    #[arg(long)]
    pub(crate) big: bool,
    /// Setting for the processes of Muster, such as `MUSTER_CONCURRENCY=1`. Repeat the flag for several.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<Setting>,
    /// Setting of Postgres that its role may change, such as `work_mem=64MB`. It applies to Muster and to the
    /// yardsticks. Repeat the flag for several.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) postgres_set: Vec<Setting>,
    /// File to write all measurements to, as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// File to draw charts to, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
}

/// The servers to measure on.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the names are those of the flags")]
pub(crate) struct Servers {
    /// Postgres, as postgres://user:password@host:port/database. The role must be allowed to create databases.
    #[arg(long, env = "MUSTER_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: SecretString,
    /// RabbitMQ, as amqp://user:password@host:port/vhost (or amqps).
    #[arg(long, env = "MUSTER_AMQP_URL", hide_env_values = true)]
    pub(crate) amqp_url: SecretString,
    /// Redis, as redis://user:password@host:port/0 (or rediss).
    #[arg(long, env = "MUSTER_REDIS_URL", hide_env_values = true)]
    pub(crate) redis_url: SecretString,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl std::str::FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match text.split_once('=') {
            Some((name, value)) if is_name(name) => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("expected NAME=VALUE, with a name of letters, digits and underscores".to_owned()),
        }
    }
}

/// What can be measured, in the order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// New users, the same file again, half of each, every row changed; compared with psql.
    Rows,
    /// Files in which rows repeat earlier ones.
    Repeats,
    /// A Collaborator file, and calls of ten rows.
    Collaborator,
    /// `muster serve`, compared with sqlite3.
    Embedded,
    /// 64 clients that poll the status of a job.
    Polling,
    /// Small jobs of one tenant during big jobs of others.
    Dwell,
    /// 1, 2 and 4 workers.
    Workers,
    /// Bigger files.
    Sizes,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_definition_is_valid() {
        Arguments::command().debug_assert();
    }
}
