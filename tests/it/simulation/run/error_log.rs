//! A log subscriber that treats every error logged by the services as a violated invariant.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::simulation::world::{Violation, lock, print_line};

/// Receives the log events of one thread.
pub(crate) struct ErrorLog {
    violation: Violation,
    verbose: bool,
}

impl ErrorLog {
    /// If `verbose`, prints the whole log.
    pub(crate) fn new(violation: Violation, verbose: bool) -> Self {
        Self { violation, verbose }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for ErrorLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_muster = metadata.target().starts_with("muster");
        is_muster && (*metadata.level() == Level::ERROR || self.verbose)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        if *event.metadata().level() == Level::ERROR {
            lock(&self.violation).get_or_insert_with(|| format!("a service logged an error:{}", text.0));
        }
        if self.verbose {
            print_line(&format!("           {:5} {}{}", event.metadata().level(), event.metadata().target(), text.0));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
