//! Names of the message headers that this crate writes or reads.

/// Version of the message body.
pub(crate) const VERSION: &str = "version";

/// Why Muster dead-lettered the message.
pub(crate) const REASON: &str = "reason";
/// Full name of the queue from which Muster dead-lettered the message.
pub(crate) const FROM: &str = "from";
/// When Muster dead-lettered the message, in milliseconds since 1970 UTC.
pub(crate) const DEAD_MS: &str = "dead_ms";
/// How often the message was replayed. It stays with the message.
pub(crate) const REPLAYS: &str = "replays";

/// What the broker records when it dead-letters a message itself: <https://www.rabbitmq.com/docs/dlx#effects>.
pub(crate) const X_DEATH: &str = "x-death";
