//! A batch of rows: the records, unchanged from the file.

use bytes::Bytes;
use muster_domain::csv::{BrokenLine, LineProblem};
use muster_domain::{BatchNo, Dialect, JobId};

use crate::envelope::{Envelope, MessageError};

const KIND: &str = "batch";
const VERSION: u16 = 1;
/// The header that lists the broken lines: for each the distance from the one before, and a letter.
const BROKEN: &str = "broken";
/// The databases store signed integers.
const MAX_OFFSET: u64 = i64::MAX.cast_unsigned();

/// A batch to be applied. Its tenant and settings are not included: the worker reads them from the job row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchMessage {
    /// The job that the batch belongs to.
    pub job: JobId,
    /// The number of the batch within its job.
    pub batch: BatchNo,
    /// The physical line on which the text of the batch starts.
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
    /// The lines from which no record could be read, in their order.
    pub broken: Vec<BrokenLine>,
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
        let mut headers = vec![
            ("job", message.job.to_string()),
            ("batch", message.batch.to_string()),
            ("first_line", message.first_line.to_string()),
            ("first_row", message.first_row.to_string()),
            ("rows", message.rows.to_string()),
            ("first_offset", message.first_offset.to_string()),
            ("end_offset", message.end_offset.to_string()),
            ("dialect", message.dialect.as_str().to_owned()),
        ];
        if !message.broken.is_empty() {
            headers.push((BROKEN, format_broken(message.first_line, &message.broken)));
        }
        Self {
            kind: KIND.to_owned(),
            version: VERSION,
            message_id: message.message_id(),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: message.payload,
        }
    }
}

impl TryFrom<&Envelope> for BatchMessage {
    type Error = MessageError;

    fn try_from(envelope: &Envelope) -> Result<Self, MessageError> {
        envelope.expect(KIND, VERSION)?;
        let first_offset = envelope.number("first_offset")?;
        let first_line = envelope.number("first_line")?;
        Ok(Self {
            job: JobId(envelope.number("job")?),
            batch: BatchNo(envelope.number_if("batch", |number| *number > 0)?),
            first_line,
            // Earlier builds did not send this header.
            first_row: if envelope.headers.contains_key("first_row") { envelope.number("first_row")? } else { 1 },
            rows: envelope.number("rows")?,
            first_offset,
            end_offset: envelope.number_if("end_offset", |end| *end >= first_offset && *end <= MAX_OFFSET)?,
            dialect: Dialect::parse(envelope.header("dialect")?).ok_or(MessageError::HeaderInvalid("dialect"))?,
            broken: match envelope.find_header(BROKEN) {
                Some(list) => parse_broken(first_line, list).ok_or(MessageError::HeaderInvalid(BROKEN))?,
                None => Vec::new(),
            },
            payload: envelope.body.clone(),
        })
    }
}

fn format_broken(first_line: u64, broken: &[BrokenLine]) -> String {
    let mut before = first_line;
    let mut list = String::with_capacity(broken.len() * 3);
    for line in broken {
        list.push_str(&(line.line - before).to_string());
        list.push(line.problem.as_letter());
        before = line.line;
    }
    list
}

fn parse_broken(first_line: u64, list: &str) -> Option<Vec<BrokenLine>> {
    let mut before = first_line;
    let entries = list.split_inclusive(|c: char| !c.is_ascii_digit());
    let parse = |entry: &str| {
        let problem = LineProblem::from_letter(entry.chars().next_back()?)?;
        let distance: u64 = entry[..entry.len() - 1].parse().ok()?;
        before = before.checked_add(distance)?;
        Some(BrokenLine { line: before, problem })
    };
    entries.map(parse).collect()
}
