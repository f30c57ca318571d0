//! Log lines: one per decision, none per row, and no personal data.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object per line, for machines.
    Json,
}

/// The log filter is invalid.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log filter is invalid; expected a level or levels per module, such as `info` or `warn,muster_worker=debug`"
)]
pub struct FilterError(#[from] tracing_subscriber::filter::ParseError);

/// The subscriber below the log layer: the registry, with the layer for spans if there is one.
type BaseSubscriber = tracing_subscriber::layer::Layered<Option<crate::traces::Spans>, Registry>;

/// Creates the layer that logs to standard error. Libraries log only errors, unless the filter names them.
pub(crate) fn layer(filter: &str, format: LogFormat) -> Result<impl Layer<BaseSubscriber>, FilterError> {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A report about a line that cannot be written would go to the same standard error, fail too, and panic.
        .log_internal_errors(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Pretty => lines.with_target(false).boxed(),
    };
    // The filter applies to this layer only: a span that is not logged may still be part of a trace.
    Ok(lines.with_filter(parse_filter(filter)?))
}

fn parse_filter(filter: &str) -> Result<Targets, FilterError> {
    let quiet = ["sqlx", "lapin", "hyper", "object_store", "rustls", "reqwest", "amq_protocol", "async_rs", "tower"];
    // These report each lost connection several times as an error; Muster itself reports it once.
    let silent = ["lapin", "amq_protocol", "async_rs"];
    let level = |library| if silent.contains(&library) { "off" } else { "error" };
    let defaults = quiet
        .into_iter()
        .filter(|library| !filter.contains(library))
        .map(|library| format!("{library}={}", level(library)));
    let directives: Vec<String> = std::iter::once(filter.to_owned()).chain(defaults).collect();
    Ok(directives.join(",").parse()?)
}

/// Logs panics by their source location only: a panic message may contain a value, and values are personal data.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panic: this is a bug in Muster");
    }));
}
