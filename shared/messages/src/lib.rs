//! The messages on the queue and their versions.
//!
//! A message is sent as an [`Envelope`]: a kind, a version, text headers and a body. Adapters carry envelopes without
//! interpreting them. Brokers log headers, so headers hold only numbers and names of formats, never personal data. A
//! message of an unknown kind or version is an error with a reason, so that its consumer can reject it and continue.
//!
//! Every message may also carry the headers of W3C Trace Context, which its type ignores.
//!
//! `tests/golden` has one file per version. A new optional header with a default keeps the version; any other change
//! needs a new version, and the old one stays readable.

mod batch;
mod envelope;
mod payload;
mod split;

pub use batch::BatchMessage;
pub use envelope::{Envelope, MessageError};
pub use payload::{PayloadCodec, PayloadError};
pub use split::SplitMessage;
