//! The common structure of every message.

use std::collections::BTreeMap;
use std::str::FromStr;

use bytes::Bytes;
use muster_domain::{BatchNo, JobId};

/// A message, as adapters carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The kind of message, for example `batch`.
    pub kind: String,
    /// The version of the kind.
    pub version: u16,
    /// The id, which is the same on every publication of the message.
    pub message_id: String,
    /// The headers: names and values.
    pub headers: BTreeMap<String, String>,
    /// The content.
    pub body: Bytes,
}

/// The header with the time of the first publication.
const PUBLISHED: &str = "published-ms";

/// Why an envelope cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The message has an unsupported kind or version.
    #[error("expected a {expected} message of version {expected_version}, found {found} of version {found_version}")]
    Unsupported {
        /// The kind that the consumer supports.
        expected: &'static str,
        /// The version that the consumer supports.
        expected_version: u16,
        /// The kind of the message, truncated to 32 characters.
        found: String,
        /// The version of the message.
        found_version: u16,
    },
    /// A required header is missing.
    #[error("the header {0} is missing")]
    HeaderMissing(&'static str),
    /// A header has an invalid value.
    #[error("the header {0} is invalid")]
    HeaderInvalid(&'static str),
}

impl Envelope {
    /// Adds headers: those by which the consumer continues the trace of the publisher.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<(String, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Adds the time of its first publication, in milliseconds since 1970.
    #[must_use]
    pub fn published_at(mut self, milliseconds: i64) -> Self {
        self.headers.insert(PUBLISHED.to_owned(), milliseconds.to_string());
        self
    }

    /// Returns the time of its first publication, in milliseconds since 1970. `None` if it has none: earlier versions of
    /// Muster did not send it.
    pub fn publication_time(&self) -> Option<i64> {
        self.find_header(PUBLISHED)?.parse().ok()
    }

    /// Returns the value of a header, for example one of a trace.
    pub fn find_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn expect(&self, kind: &'static str, version: u16) -> Result<(), MessageError> {
        if self.kind == kind && self.version == version {
            return Ok(());
        }
        Err(MessageError::Unsupported {
            expected: kind,
            expected_version: version,
            found: self.kind.chars().take(32).collect(),
            found_version: self.version,
        })
    }

    pub(crate) fn header(&self, name: &'static str) -> Result<&str, MessageError> {
        self.headers.get(name).map(String::as_str).ok_or(MessageError::HeaderMissing(name))
    }

    /// Returns the batch that the message is about. The headers `job` and `batch` have the same meaning in every kind
    /// and version.
    pub fn batch(&self) -> Option<(JobId, BatchNo)> {
        Some((JobId(self.number("job").ok()?), BatchNo(self.number("batch").ok()?)))
    }

    pub(crate) fn number_if<T: FromStr>(
        &self,
        name: &'static str,
        is_valid: impl FnOnce(&T) -> bool,
    ) -> Result<T, MessageError> {
        let number = self.number(name)?;
        if is_valid(&number) { Ok(number) } else { Err(MessageError::HeaderInvalid(name)) }
    }

    pub(crate) fn number<T: FromStr>(&self, name: &'static str) -> Result<T, MessageError> {
        self.header(name)?.parse().map_err(|_| MessageError::HeaderInvalid(name))
    }
}
