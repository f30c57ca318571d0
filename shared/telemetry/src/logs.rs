//! Log lines: one for each decision, nothing for each row, nothing about a person.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, Registry};

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

/// What stands below the lines: everything, and the layer of the traces if there is one.
type Below = tracing_subscriber::layer::Layered<Option<crate::traces::Spans>, Registry>;

/// Lines on standard error. Libraries log errors only, unless the filter names them.
pub(crate) fn layer(filter: &str, format: LogFormat) -> Result<impl Layer<Below>, FilterError> {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // It would report a line that cannot be written on the same standard error, and panic.
        .log_internal_errors(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Pretty => lines.with_target(false).boxed(),
    };
    // Of this layer alone: what is not logged may still be a span of a trace.
    Ok(lines.with_filter(read(filter)?))
}

fn read(filter: &str) -> Result<EnvFilter, FilterError> {
    let quiet = ["sqlx", "lapin", "hyper", "object_store", "rustls", "reqwest", "amq_protocol", "async_rs", "tower"];
    // These report each lost connection several times as an error; our supervisors do it once.
    let silent = ["lapin", "amq_protocol", "async_rs"];
    let level = |library| if silent.contains(&library) { "off" } else { "error" };
    let unnamed = quiet
        .into_iter()
        .filter(|library| !filter.contains(library))
        .map(|library| format!("{library}={}", level(library)));
    let directives: Vec<String> = std::iter::once(filter.to_owned()).chain(unnamed).collect();
    Ok(EnvFilter::builder().parse(directives.join(","))?)
}

/// A panic is logged by its place alone: its message may hold a value, and values are of people.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic: a fault of this program");
    }));
}
