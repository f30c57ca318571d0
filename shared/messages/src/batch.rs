//! A batch of rows: the records, unchanged from the file.

use std::collections::BTreeMap;

use bytes::Bytes;
use muster_domain::{BatchNo, Dialect, JobId};

use crate::envelope::{Envelope, MessageError};

const KIND: &str = "batch";
const VERSION: u16 = 1;
/// The databases store signed integers.
const MAX_OFFSET: u64 = i64::MAX.cast_unsigned();

/// A batch to be applied. Its tenant and settings are not included: the worker reads them from the job row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchMessage {
    /// The job that the batch belongs to.
    pub job: JobId,
    /// The number of the batch within its job.
    pub batch: BatchNo,
    /// The physical line on which the first record starts.
    pub first_line: u64,
    /// The number of the first record within the file, counted from 1.
    pub first_row: u64,
    /// The number of records.
    pub rows: u32,
    /// The byte offset in the decoded file at which the batch starts; the end of the previous batch.
    pub first_offset: u64,
    /// The byte offset in the decoded file at which the batch ends.
    pub end_offset: u64,
    /// The dialect of the file.
    pub dialect: Dialect,
    /// The records, sealed by a [`PayloadCodec`](crate::PayloadCodec).
    pub payload: Bytes,
}

impl BatchMessage {
    /// Returns `job:batch`, which is the same on every publication.
    pub fn message_id(&self) -> String {
        format!("{}:{}", self.job, self.batch)
    }
}

impl From<BatchMessage> for Envelope {
    fn from(message: BatchMessage) -> Self {
        let headers = [
            ("job", message.job.to_string()),
            ("batch", message.batch.to_string()),
            ("first_line", message.first_line.to_string()),
            ("first_row", message.first_row.to_string()),
            ("rows", message.rows.to_string()),
            ("first_offset", message.first_offset.to_string()),
            ("end_offset", message.end_offset.to_string()),
            ("dialect", message.dialect.as_str().to_owned()),
        ];
        Self {
            kind: KIND.to_owned(),
            version: VERSION,
            message_id: message.message_id(),
            headers: BTreeMap::from(headers.map(|(name, value)| (name.to_owned(), value))),
            body: message.payload,
        }
    }
}

impl TryFrom<&Envelope> for BatchMessage {
    type Error = MessageError;

    fn try_from(envelope: &Envelope) -> Result<Self, MessageError> {
        envelope.expect(KIND, VERSION)?;
        let first_offset = envelope.number("first_offset")?;
        Ok(Self {
            job: JobId(envelope.number("job")?),
            batch: BatchNo(envelope.number_if("batch", |number| *number > 0)?),
            first_line: envelope.number("first_line")?,
            // Earlier builds did not send this header.
            first_row: if envelope.headers.contains_key("first_row") { envelope.number("first_row")? } else { 1 },
            rows: envelope.number("rows")?,
            first_offset,
            end_offset: envelope.number_if("end_offset", |end| *end >= first_offset && *end <= MAX_OFFSET)?,
            dialect: Dialect::parse(envelope.header("dialect")?).ok_or(MessageError::HeaderInvalid("dialect"))?,
            payload: envelope.body.clone(),
        })
    }
}
