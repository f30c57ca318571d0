//! The command line. Every setting is a flag and an environment variable, with a default and a range.

mod tenant;
pub(crate) mod variables;

use clap::{Args, Parser, Subcommand};

pub(crate) use tenant::TenantCommand;

use crate::settings::{
    CountersArgs, DatabaseArgs, HttpArgs, ImportArgs, MetricsArgs, PayloadArgs, ProcessArgs, QueueArgs, RawStoreArgs,
    ServersArgs, StoreArgs, WindowArgs,
};

/// Muster imports users by the million: upload a file, poll its status, and find every row applied or explained.
#[derive(Debug, Parser)]
#[command(name = "muster", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run all services in one process, on SQLite, with no servers to install.
    Serve(ServeArgs),
    /// Import a generated file over HTTP into a temporary folder, to show that Muster works.
    Demo(DemoArgs),
    /// Write a sample file to standard output. The same seed always produces the same rows.
    Generate(GenerateArgs),
    /// Run the service that accepts uploads and splits them into batches.
    Ingest(IngestArgs),
    /// Run the service that applies batches. Start as many as you need.
    Worker(WorkerArgs),
    /// Run the service that reports progress and results of imports.
    Status(StatusArgs),
    /// Check whether a running service is ready. The exit code is the result, for containers.
    Healthcheck(MetricsArgs),
    /// Create or update the schema in Postgres.
    Migrate(MigrateArgs),
    /// Show the settings that a role would start with, and the source of each. Secrets are hidden.
    CheckConfig(CheckConfigArgs),
    /// Manage tenants.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Inspect users.
    #[command(subcommand)]
    User(UserCommand),
    /// Manage the tokens of tenants.
    #[command(subcommand)]
    Token(TokenCommand),
    /// List, replay or drop dead letters: messages that could not be processed.
    #[command(subcommand)]
    Dead(DeadCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Folder for the database and the uploads.
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
    /// Number of users to import.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) rows: u64,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Number of users.
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1_000_000_000))]
    pub(crate) rows: u64,
    /// Seed of the generator.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// API that the file is for.
    #[arg(long, default_value = "spigit", value_parser = ["spigit", "collaborator"])]
    pub(crate) dialect: String,
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
    /// Batches of big jobs to apply at the same time. Small jobs have a slot of their own.
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
    /// Role to check.
    #[arg(value_parser = ["serve", "ingest", "worker", "status"])]
    pub(crate) role: String,
    /// Flags of the role.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) flags: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List users whose user name, e-mail or uid is that of another user by the present rules for keys. No row of a file
    /// finds them by it until one of the two is changed or removed.
    Clashes {
        /// Name of the tenant (default: all tenants).
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token and print it. It cannot be shown again, because only its hash is stored.
    Create {
        /// Name of the tenant.
        #[arg(long)]
        tenant: String,
        /// Scope of the token. Repeat the flag for several.
        #[arg(long = "scope", value_parser = ["import:write", "import:read"], default_values = ["import:write", "import:read"])]
        scopes: Vec<String>,
        /// Days until the token expires (default: never).
        #[arg(long, value_parser = clap::value_parser!(u32).range(0..=3650))]
        expires_in_days: Option<u32>,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// List the tokens of a tenant.
    List {
        /// Name of the tenant.
        #[arg(long)]
        tenant: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Revoke a token.
    Revoke {
        /// Id of the token, as `muster token list` shows it.
        id: i64,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// List dead letters, oldest first, and leave them in the queue. Message bodies are never shown.
    List {
        /// Maximum number of letters to list.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        limit: u64,
        #[command(flatten)]
        queue: QueueArgs,
    },
    /// Return dead letters to the queue they came from.
    Replay {
        #[command(flatten)]
        which: WhichLetters,
        #[command(flatten)]
        queue: QueueArgs,
    },
    /// Delete dead letters.
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
    /// Message id, as `muster dead list` shows it. Selects all letters with this id.
    pub(crate) id: Option<String>,
    /// Number of a letter, as `muster dead list` shows it. Numbers change as letters arrive and leave.
    #[arg(long)]
    pub(crate) number: Option<u64>,
    /// All current letters.
    #[arg(long)]
    pub(crate) all: bool,
}
