//! Errors of the ports.

/// An error of some library, kept as the source of a port error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A call to the database failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is unreachable, is shutting down, or did not respond in time. A retry may succeed.
    #[error("the database is unreachable or did not respond in time")]
    Unavailable(#[source] Option<BoxError>),
    /// Gave up after repeated conflicts with other transactions. A retry may succeed.
    #[error("gave up after repeated conflicts with other transactions (SQLSTATE {code})")]
    Contention {
        /// The SQLSTATE of the last conflict.
        code: String,
    },
    /// The database cannot work until somebody repairs it: a privilege or a column is missing, it is read-only, a
    /// password was changed, data is corrupt. A retry after the repair succeeds.
    #[error("the database must be repaired (code {code})")]
    NeedsRepair {
        /// The SQLSTATE, or the result code of SQLite.
        code: String,
    },
    /// The database rejected a statement because of the values in it. A retry of the same statement fails again.
    #[error("the database rejected a statement (code {code}{})", constraint.as_deref().map(|c| format!(", constraint {c}")).unwrap_or_default())]
    StatementRejected {
        /// The SQLSTATE, or the result code of SQLite.
        code: String,
        /// The violated constraint, if any.
        constraint: Option<String>,
    },
    /// The URL of the database is invalid.
    #[error("the database URL is invalid; expected postgres://user:password@host:port/database")]
    InvalidUrl,
    /// The server, or what lies before it, is set up so that Muster cannot keep its promises; a sentence for operators.
    #[error("{0}")]
    Unusable(&'static str),
    /// A stored value is invalid: another version of Muster wrote it, or it was edited by hand.
    #[error("stored data cannot be read: {0}")]
    Unreadable(&'static str),
    /// The schema is not the one that this build needs.
    #[error("the database schema is at version {found}, expected {expected}: run `muster migrate`")]
    SchemaMismatch {
        /// The version found.
        found: i64,
        /// The version needed.
        expected: i64,
    },
}

impl StoreError {
    /// Returns whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Contention { .. } | Self::NeedsRepair { .. })
    }
}

/// A call to the queue failed. A retry may succeed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue is unreachable or did not respond in time. A message may or may not have been published.
    #[error("the queue is unreachable or did not respond in time")]
    Unavailable(#[source] Option<BoxError>),
    /// The queue is full and did not accept the message.
    #[error("the queue {0} is full")]
    Full(&'static str),
    /// The queue that the message was published to does not exist.
    #[error("the queue {0} does not exist")]
    NoSuchQueue(&'static str),
    /// The URL of the queue is invalid.
    #[error("the queue URL is invalid ({0}); expected amqp://user:password@host:port/vhost")]
    InvalidUrl(String),
    /// The queue exists with other arguments than Muster needs.
    #[error("the queue {0} exists with other arguments than Muster declares: delete it, or use another queue prefix")]
    ArgumentMismatch(String),
}

/// The counters could not be read or written. Only the speed of status requests depends on them.
#[derive(Debug, thiserror::Error)]
#[error("the counters are unreachable or did not respond in time")]
pub struct CountersError(#[source] pub BoxError);

/// A call to the raw store failed.
#[derive(Debug, thiserror::Error)]
pub enum RawStoreError {
    /// There is no upload under this key.
    #[error("the stored upload does not exist")]
    Missing,
    /// The upload is not the one that was stored.
    #[error("the stored upload has changed since it was stored")]
    Changed,
    /// No space is left.
    #[error("no space is left for uploads")]
    Full(#[source] BoxError),
    /// Any other error. A retry may succeed.
    #[error("the raw store is unreachable or failed")]
    Unavailable(#[source] BoxError),
}
