//! Muster: takes users in by the million.
//!
//! The one binary. It reads the command line and the environment, chooses adapters, wires them to
//! the services and runs them. Nothing else in the workspace does any of this.

mod admin;
mod bench;
mod check_config;
mod cli;
mod client;
mod dead;
mod demo;
mod generate;
mod health;
mod roles;
mod settings;
mod token;
mod variables;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// Threads for blocking work: files, compressing, checking rows. Few, because each keeps a heap of
/// its own: 16 of them cost the ingest service 14 MiB.
const BLOCKING_THREADS: usize = 4;

fn main() -> ExitCode {
    // Before anything speaks TLS: rustls wants one provider for the process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    #[cfg(feature = "failpoints")]
    let _scenario = muster_runtime::failpoint::follow_variable();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(blocking_threads(&cli.command))
        .build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(cli)));
    match result {
        Ok(code) => code,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last word of a program that failed")]
            {
                eprintln!("muster: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn blocking_threads(command: &Command) -> usize {
    match command {
        // A batch that is checked holds one.
        Command::Worker(args) => BLOCKING_THREADS.max(usize::from(args.concurrency) + 2),
        _ => BLOCKING_THREADS,
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    variables::refuse_unknown()?;
    match cli.command {
        Command::Bench(args) => bench::run(args).await?,
        Command::Demo(args) => return demo::run(args).await,
        Command::Generate(args) => generate::run(&args)?,
        Command::Serve(args) => roles::serve::run(args).await?,
        Command::Ingest(args) => roles::ingest::run(args).await?,
        Command::Worker(args) => roles::worker::run(args).await?,
        Command::Status(args) => roles::status::run(args).await?,
        Command::Healthcheck(args) => health::check(&args).await?,
        Command::Migrate(args) => admin::migrate(&args).await?,
        Command::CheckConfig(args) => check_config::run(&args)?,
        Command::Tenant(command) => admin::tenant(command).await?,
        Command::Token(command) => admin::token(command).await?,
        Command::Dead(command) => dead::run(command).await?,
    }
    Ok(ExitCode::SUCCESS)
}
