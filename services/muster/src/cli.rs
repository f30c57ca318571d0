//! The command line. Every setting is a flag and a variable, with its default and its range.

use clap::{Args, Parser, Subcommand, ValueEnum};
use muster_ports::{MissingUsers, ShortRows, TenantSettings};

use crate::settings::{
    CountersArgs, DatabaseArgs, HttpArgs, ImportArgs, MetricsArgs, PayloadArgs, ProcessArgs, QueueArgs, RawStoreArgs,
    ServersArgs, StoreArgs, WindowArgs,
};

/// Muster takes users in by the million: upload a CSV, poll its status, find every row applied or
/// explained.
#[derive(Debug, Parser)]
#[command(name = "muster", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything in one process, on SQLite, with no server to install.
    Serve(ServeArgs),
    /// Show that it works: import a generated file into a temporary folder, through HTTP.
    Demo(DemoArgs),
    /// Write a sample file to standard output; the same rows for the same seed.
    Generate(GenerateArgs),
    /// Measure Muster beside psql and sqlite3, on the same servers and in the same run.
    Bench(BenchArgs),
    /// The service that takes uploads and cuts them into batches.
    Ingest(IngestArgs),
    /// The service that applies batches. Start as many as you need.
    Worker(WorkerArgs),
    /// The service that answers how far imports are.
    Status(StatusArgs),
    /// Ask a running service whether it is ready: the exit code says so. For containers.
    Healthcheck(MetricsArgs),
    /// Create or update the schema in Postgres.
    Migrate(MigrateArgs),
    /// Show with which settings a role would start, and where each comes from. Secrets stay hidden.
    CheckConfig(CheckConfigArgs),
    /// Manage tenants.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Manage the tokens of tenants.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look at the messages that could not be used, replay or drop them.
    #[command(subcommand)]
    Dead(DeadCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The folder for database and uploads.
    #[arg(long, env = "MUSTER_DATA", default_value = "./muster-data")]
    pub(crate) data: std::path::PathBuf,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    pub(crate) import: ImportArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many users to import.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) rows: u64,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// How many users.
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1_000_000_000))]
    pub(crate) rows: u64,
    /// Another seed makes other users.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// For which API: `spigit` or `collaborator`.
    #[arg(long, default_value = "spigit", value_parser = ["spigit", "collaborator"])]
    pub(crate) dialect: String,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) servers: ServersArgs,
    /// Rows of a file.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    pub(crate) rows: u64,
    /// How often everything is measured; medians are shown.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) rounds: u32,
    /// Worker processes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) workers: u16,
    /// Only this; repeat for several.
    #[arg(long)]
    pub(crate) only: Vec<Scenario>,
    /// Also files of five and ten times as many rows.
    #[arg(long)]
    pub(crate) big: bool,
    /// A setting of the processes of Muster, as `MUSTER_CONCURRENCY=1`; repeat for several.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<Setting>,
    /// A setting of Postgres that its role may change, as `work_mem=64MB`, for Muster and its yardsticks; repeat for
    /// several.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) postgres_set: Vec<Setting>,
    /// Where to write everything that was measured, as JSON.
    #[arg(long)]
    pub(crate) json: Option<std::path::PathBuf>,
    /// Where to draw it, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<std::path::PathBuf>,
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
            _ => Err("expected a name of letters, digits and underscores, = and a value".to_owned()),
        }
    }
}

/// What can be measured, in the order in which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// New users, the same file again, half of each, every row changed; beside psql.
    Rows,
    /// Files in which rows repeat earlier ones.
    Repeats,
    /// A Collaborator file, and calls of ten rows.
    Collaborator,
    /// `muster serve` beside sqlite3.
    Embedded,
    /// 64 clients that ask for the status all the time.
    Polling,
    /// Small jobs of one tenant beside big ones of others.
    Dwell,
    /// 1, 2 and 4 workers.
    Workers,
    /// Bigger files.
    Sizes,
}

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    pub(crate) import: ImportArgs,
    #[command(flatten)]
    pub(crate) servers: ServersArgs,
    #[command(flatten)]
    pub(crate) raw_store: RawStoreArgs,
    #[command(flatten)]
    pub(crate) payload: PayloadArgs,
    #[command(flatten)]
    pub(crate) windows: WindowArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Batches of big jobs at a time; small jobs have a slot of their own.
    #[arg(long, env = "MUSTER_CONCURRENCY", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) concurrency: u16,
    #[command(flatten)]
    pub(crate) servers: ServersArgs,
    #[command(flatten)]
    pub(crate) payload: PayloadArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) counters: CountersArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfigArgs {
    /// Which role.
    #[arg(value_parser = ["serve", "ingest", "worker", "status"])]
    pub(crate) role: String,
    /// Flags that the role would get.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) flags: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Make a tenant.
    Create {
        /// Its unique name.
        #[arg(value_parser = crate::settings::tenant_name)]
        name: String,
        #[command(flatten)]
        settings: TenantArgs,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Change what is set for a tenant. Uploads that were accepted before keep what they came with, but for the
    /// guard, which is looked at in the end.
    Set {
        /// Its name.
        name: String,
        #[command(flatten)]
        settings: TenantArgs,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// List all tenants.
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// What may be set for a tenant; what is not given stays, or has its default.
#[derive(Debug, Args)]
pub(crate) struct TenantArgs {
    /// What becomes of Spigit rows with fewer values than the header has titles: `fail` (default) or `pad`.
    #[arg(long, value_parser = ["fail", "pad"])]
    short_rows: Option<String>,
    /// What becomes of users whom a Collaborator file does not name: `keep` (default) or `block`.
    #[arg(long, value_parser = ["keep", "block"])]
    missing_users: Option<String>,
    /// One file may block so many percent of the active users as missing (default 10), …
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    missing_guard_percent: Option<u8>,
    /// … and always so many, however few there are (default 10). Otherwise it blocks none.
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=1_000_000_000))]
    missing_guard_min: Option<u32>,
}

impl TenantArgs {
    /// The settings with what is given here.
    pub(crate) fn over(&self, before: TenantSettings) -> TenantSettings {
        TenantSettings {
            short_rows: self.short_rows.as_deref().and_then(ShortRows::parse).unwrap_or(before.short_rows),
            missing_users: self.missing_users.as_deref().and_then(MissingUsers::parse).unwrap_or(before.missing_users),
            missing_guard_percent: self.missing_guard_percent.unwrap_or(before.missing_guard_percent),
            missing_guard_min: self.missing_guard_min.unwrap_or(before.missing_guard_min),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it. It is shown this once: only its hash is stored.
    Create {
        /// The tenant's name.
        #[arg(long)]
        tenant: String,
        /// What it allows; repeat for several.
        #[arg(long = "scope", value_parser = ["import:write", "import:read"], default_values = ["import:write", "import:read"])]
        scopes: Vec<String>,
        /// In how many days it ends; never, if not given.
        #[arg(long, value_parser = clap::value_parser!(u32).range(0..=3650))]
        expires_in_days: Option<u32>,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// List the tokens of a tenant.
    List {
        /// The tenant's name.
        #[arg(long)]
        tenant: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Revoke a token by the id that `token list` shows.
    Revoke {
        /// The id.
        id: i64,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// List dead letters, oldest first; they stay where they are. Never shows what is in them.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        limit: u64,
        #[command(flatten)]
        queue: QueueArgs,
    },
    /// Put dead letters on the queue they came from again.
    Replay {
        #[command(flatten)]
        which: WhichLetters,
        #[command(flatten)]
        queue: QueueArgs,
    },
    /// Remove dead letters.
    Drop {
        #[command(flatten)]
        which: WhichLetters,
        #[command(flatten)]
        queue: QueueArgs,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct WhichLetters {
    /// Those with the message id that `dead list` shows.
    pub(crate) id: Option<String>,
    /// The one with the number that `dead list` shows. Numbers change when letters come and go.
    #[arg(long)]
    pub(crate) number: Option<u64>,
    /// All that are there now.
    #[arg(long)]
    pub(crate) all: bool,
}
