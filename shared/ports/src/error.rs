//! Errors of the ports.

/// An error of some library, kept as the source of ours.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is going down, or did not answer in time. Trying again helps.
    #[error("the database cannot be reached or did not answer in time")]
    Unavailable(#[source] Option<BoxError>),
    /// Other transactions were in the way more often than is normal. Trying again helps.
    #[error("the database gave up after conflicts with other transactions (SQLSTATE {code})")]
    Contention {
        /// The SQLSTATE of the last conflict.
        code: String,
    },
    /// It refused the statement. Trying the same again does not help.
    #[error("the database refused a statement (code {code}{})", constraint.as_deref().map(|c| format!(", constraint {c}")).unwrap_or_default())]
    Refused {
        /// The SQLSTATE, or the result code of SQLite.
        code: String,
        /// The constraint, where one was violated.
        constraint: Option<String>,
    },
    /// Its address cannot be understood.
    #[error("the address of the database cannot be read; expected postgres://user:password@host:port/database")]
    Address,
    /// What it holds cannot be read: another version of Muster wrote it, or it was edited by hand.
    #[error("stored data cannot be read: {0}")]
    Unreadable(&'static str),
    /// Its schema is not the one that this version of Muster needs.
    #[error("the database schema is at version {found}, expected {expected}: run `muster migrate`")]
    Schema {
        /// The version found.
        found: i64,
        /// The version needed.
        expected: i64,
    },
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Contention { .. })
    }
}

/// The queue could not do what was asked; trying again helps.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It cannot be reached or did not answer in time. Whether a message was taken is not known.
    #[error("the queue cannot be reached or did not answer in time")]
    Unavailable(#[source] Option<BoxError>),
    /// It did not take the message: the queue is full.
    #[error("the queue {0} is full")]
    Full(&'static str),
    /// It had no queue for the message.
    #[error("the queue {0} is not there")]
    Unroutable(&'static str),
    /// Its address cannot be understood.
    #[error("the address of the queue cannot be read ({0}); expected amqp://user:password@host:port/vhost")]
    Address(String),
    /// The queue exists with other properties than Muster needs.
    #[error("the queue {0} exists with other arguments than Muster declares: delete it, or use another namespace")]
    Mismatch(String),
}

/// The counters could not be read or written; nothing depends on them but speed.
#[derive(Debug, thiserror::Error)]
#[error("the counters cannot be reached or did not answer in time")]
pub struct CountersError(#[source] pub BoxError);

/// The raw store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RawStoreError {
    /// The object is not there.
    #[error("the stored upload is not there")]
    Missing,
    /// The object is not the one that was stored.
    #[error("the stored upload has changed since it was stored")]
    Changed,
    /// No space is left.
    #[error("no space is left for uploads")]
    Full(#[source] BoxError),
    /// Anything else; trying again may help.
    #[error("the raw store cannot be reached or failed")]
    Unavailable(#[source] BoxError),
}
