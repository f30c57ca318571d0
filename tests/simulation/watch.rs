//! Listens to the log of the services: an error in it is a violation.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::world::{Violation, lock, show};

/// Sees every event of the thread.
pub(crate) struct Watch {
    violation: Violation,
    verbose: bool,
}

impl Watch {
    /// `verbose` prints all of the log.
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

impl Subscriber for Watch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("muster");
        ours && (*metadata.level() == Level::ERROR || self.verbose)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        if *event.metadata().level() == Level::ERROR {
            lock(&self.violation).get_or_insert_with(|| format!("an error in the log:{}", text.0));
        }
        if self.verbose {
            show(&format!("           {:5} {}{}", event.metadata().level(), event.metadata().target(), text.0));
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
