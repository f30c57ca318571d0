//! The common form of every message.

use std::collections::BTreeMap;
use std::str::FromStr;

use bytes::Bytes;
use muster_domain::{BatchNo, JobId};

/// A message as adapters carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The type, for example `batch`.
    pub kind: String,
    /// The version of the type.
    pub version: u16,
    /// The same on every publication of the same message.
    pub message_id: String,
    /// Names and values, all of them text.
    pub headers: BTreeMap<String, String>,
    /// The content.
    pub body: Bytes,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Another type or version was expected.
    #[error("expected a {expected} message of version {expected_version}, found {found} of version {found_version}")]
    Unknown {
        /// The type that the consumer reads.
        expected: &'static str,
        /// The version that the consumer reads.
        expected_version: u16,
        /// The type of the message, cut to 32 characters.
        found: String,
        /// The version of the message.
        found_version: u16,
    },
    /// A header is not there.
    #[error("the header {0} is missing")]
    HeaderMissing(&'static str),
    /// A header has an unusable value.
    #[error("the header {0} cannot be read")]
    HeaderInvalid(&'static str),
}

impl Envelope {
    /// The message with more headers: those by which its reader follows the trace of its writer. Every
    /// message may have them.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<(String, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Any header, for example of a trace.
    pub fn find_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn expect(&self, kind: &'static str, version: u16) -> Result<(), MessageError> {
        if self.kind == kind && self.version == version {
            return Ok(());
        }
        Err(MessageError::Unknown {
            expected: kind,
            expected_version: version,
            found: self.kind.chars().take(32).collect(),
            found_version: self.version,
        })
    }

    pub(crate) fn header(&self, name: &'static str) -> Result<&str, MessageError> {
        self.headers.get(name).map(String::as_str).ok_or(MessageError::HeaderMissing(name))
    }

    /// The batch that the message is about, whatever its type and version are: the headers `job` and
    /// `batch` mean the same in all of them.
    pub fn batch(&self) -> Option<(JobId, BatchNo)> {
        Some((JobId(self.number("job").ok()?), BatchNo(self.number("batch").ok()?)))
    }

    pub(crate) fn number_if<T: FromStr>(
        &self,
        name: &'static str,
        is_usable: impl FnOnce(&T) -> bool,
    ) -> Result<T, MessageError> {
        let number = self.number(name)?;
        if is_usable(&number) { Ok(number) } else { Err(MessageError::HeaderInvalid(name)) }
    }

    pub(crate) fn number<T: FromStr>(&self, name: &'static str) -> Result<T, MessageError> {
        self.header(name)?.parse().map_err(|_| MessageError::HeaderInvalid(name))
    }
}
