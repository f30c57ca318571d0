//! What the scanners of all formats have in common: they find the records in a stream of bytes.

use serde::{Deserialize, Serialize};

use crate::rejection::{Rejection, RejectionCode};

/// Finds the records in a stream of bytes that is fed in pieces of any size.
pub trait Scanner {
    /// Continues with the next piece of the stream; `at_end` says that it is the last one.
    ///
    /// After [`Scan::Record`] the other methods describe that record until the next call. The next call must pass the
    /// part of `input` that was not consumed, even if it is empty: the scanner may have buffered further records.
    fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError>;

    /// The bytes of the record, with its line end if the format has one.
    fn raw(&self) -> &[u8];

    /// The size of the record in the file, in bytes. [`raw`](Self::raw) may be shorter: a record that is too large to be
    /// kept is represented by a line end.
    fn bytes(&self) -> u64 {
        self.raw().len() as u64
    }

    /// The bytes that separate the record from the one before it in a batch, so that the records of a batch are
    /// found on the same lines as in the file. `None` if they are too long to be kept.
    fn lead(&self) -> Option<&[u8]>;

    /// The number of bytes between the record before and this one.
    fn lead_bytes(&self) -> u64;

    /// The physical line on which the record starts, or the number of the record in a format without lines.
    fn line(&self) -> u64;
}

/// The result of a scan.
#[derive(Debug, PartialEq, Eq)]
pub enum Scan {
    /// The input is consumed, and the record in it is incomplete.
    NeedInput,
    /// A record is complete after this number of bytes of the input was consumed.
    Record(usize),
    /// The stream is at its end.
    End,
}

/// The limits of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLimits {
    /// Maximum size in bytes, line ends included.
    pub max_bytes: usize,
    /// Maximum number of physical lines.
    pub max_lines: u64,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self { max_bytes: 256 * 1024, max_lines: 1000 }
    }
}

/// An error in a record after which the rest of the file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct RecordError {
    /// The line on which the record starts.
    pub line: u64,
    /// The stable code.
    pub code: RejectionCode,
    /// The description of the error.
    pub problem: String,
}

impl From<RecordError> for Rejection {
    fn from(error: RecordError) -> Self {
        Self::new(error.line, None, error.code, error.problem)
    }
}

/// Longer runs of blank lines before a record are only counted: a few bytes of gzip can hold gigabytes of them.
const MAX_LEAD_BYTES: u64 = 4096;

/// The blank lines before a record. They are kept so that the reader of a batch counts the same lines as the
/// splitter.
#[derive(Default)]
pub(super) struct Lead {
    bytes: Vec<u8>,
    total_bytes: u64,
}

impl Lead {
    pub(super) fn push(&mut self, blank: &[u8]) {
        self.total_bytes += blank.len() as u64;
        if self.total_bytes <= MAX_LEAD_BYTES {
            self.bytes.extend_from_slice(blank);
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.total_bytes = 0;
    }

    /// The blank lines; `None` if they are too long to be kept.
    pub(super) fn kept(&self) -> Option<&[u8]> {
        (self.bytes.len() as u64 == self.total_bytes).then_some(&self.bytes)
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
