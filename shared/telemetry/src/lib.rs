//! Logs: one line for each decision, nothing for each row, nothing about a person.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

/// The filter is not understood.
#[derive(Debug, thiserror::Error)]
#[error("the log filter cannot be read; expected something like `info` or `warn,muster_worker=debug`")]
pub struct FilterError(#[from] tracing_subscriber::filter::ParseError);

/// A panic is logged by its place alone: its message may hold a value, and values are of people.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic: a fault of this program");
    }));
}

/// Starts logging to standard error. Libraries log errors only, unless the filter names them.
pub fn init(filter: &str, format: LogFormat) -> Result<(), FilterError> {
    let quiet = ["sqlx", "lapin", "hyper", "object_store", "rustls", "reqwest", "amq_protocol", "async_rs", "tower"];
    // These report each lost connection several times as an error; our supervisors do it once.
    let silent = ["lapin", "amq_protocol", "async_rs"];
    let level = |library| if silent.contains(&library) { "off" } else { "error" };
    let unnamed = quiet
        .into_iter()
        .filter(|library| !filter.contains(library))
        .map(|library| format!("{library}={}", level(library)));
    let directives: Vec<String> = std::iter::once(filter.to_owned()).chain(unnamed).collect();
    let filter = EnvFilter::builder().parse(directives.join(","))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // It would report a line that cannot be written on the same standard error, and panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Pretty => lines.with_target(false).init(),
    }
    log_panics();
    Ok(())
}
