//! What travels on the queue, with versions.
//!
//! A message becomes an [`Envelope`]: a type, a version, text headers and a body. Adapters carry
//! envelopes; nobody else looks inside. Headers hold numbers and names of formats, never anything
//! about a person: brokers log them. A message of an unknown type or version is refused with a
//! reason, so that its consumer can dead-letter it and live on.
//!
//! Every message may carry the headers of W3C Trace Context, which its type does not know.
//!
//! `tests/golden` has one file for each version. A new optional header with a default keeps the
//! version; anything else is a new version, and the old one stays readable.

mod batch;
mod envelope;
mod payload;
mod split;

pub use batch::BatchMessage;
pub use envelope::{Envelope, MessageError};
pub use payload::{PayloadCodec, PayloadError};
pub use split::SplitMessage;
