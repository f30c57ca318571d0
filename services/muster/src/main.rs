//! Muster imports users by the million.
//!
//! This is the only binary of the product. It reads the command line and the environment, chooses adapters, connects
//! them to the services and runs them. No other crate does any of this.

mod adapters;
mod admin;
mod cli;
mod commands;
mod health;
mod output;
mod process;
mod roles;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// Threads for blocking work: files, compression, checking rows. Few, because each thread keeps its own heap: 16 of
/// them cost the ingest service 14 MiB.
const BLOCKING_THREADS: usize = 4;

fn main() -> ExitCode {
    // Before the first TLS connection: rustls needs one provider for the whole process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[cfg(feature = "failpoints")]
    let _scenario = muster_runtime::failpoint::setup_from_env();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(blocking_threads(&cli.command))
        .build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(cli)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the error of a command that failed")]
            {
                eprintln!("muster: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn blocking_threads(command: &Command) -> usize {
    match command {
        // Each batch that is being checked occupies a thread.
        Command::Worker(args) => BLOCKING_THREADS.max(usize::from(args.concurrency) + 2),
        _ => BLOCKING_THREADS,
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    cli::variables::check_known()?;
    match cli.command {
        Command::Demo(args) => commands::demo::run(args).await,
        Command::Generate(args) => commands::generate::run(&args),
        Command::Serve(args) => roles::serve::run(args).await,
        Command::Ingest(args) => roles::ingest::run(args).await,
        Command::Worker(args) => roles::worker::run(args).await,
        Command::Status(args) => roles::status::run(args).await,
        Command::Healthcheck(args) => health::check(&args).await,
        Command::Migrate(args) => admin::migrate(&args).await,
        Command::CheckConfig(args) => commands::check_config::run(&args),
        Command::Tenant(command) => admin::tenants::run(command).await,
        Command::User(command) => admin::users::run(command).await,
        Command::Token(command) => admin::tokens::run(command).await,
        Command::Dead(command) => admin::dead_letters::run(command).await,
    }
}
