//! The split request. It names the job only; everything else is in the job row.

use std::collections::BTreeMap;

use bytes::Bytes;
use muster_domain::JobId;

use crate::envelope::{Envelope, MessageError};

const KIND: &str = "split";
const VERSION: u16 = 1;

/// Asks a splitter to split a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitMessage {
    /// The job to be split.
    pub job: JobId,
}

impl From<SplitMessage> for Envelope {
    fn from(message: SplitMessage) -> Self {
        Self {
            kind: KIND.to_owned(),
            version: VERSION,
            message_id: format!("{}:split", message.job),
            headers: BTreeMap::from([("job".to_owned(), message.job.to_string())]),
            body: Bytes::new(),
        }
    }
}

impl TryFrom<&Envelope> for SplitMessage {
    type Error = MessageError;

    fn try_from(envelope: &Envelope) -> Result<Self, MessageError> {
        envelope.expect(KIND, VERSION)?;
        Ok(Self { job: JobId(envelope.number("job")?) })
    }
}
