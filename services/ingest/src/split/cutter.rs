//! Cuts decoded text into batches and epochs: a pure function of the text and the cut rules.
//!
//! No user occurs in two batches of an epoch.

use std::collections::HashSet;

use muster_domain::BatchNo;
use muster_domain::scanner::{RecordError, Scan};
use muster_ports::CutRules;

use super::records::{Layout, Records};

/// How many rows a batch may exceed its limit by, so that consecutive rows of one user stay together.
const MAX_EXTRA_SAME_USER_ROWS: u32 = 100;

/// From this batch on, a file is assumed to fill whole epochs.
const BIG_FILE_BATCHES: u32 = 20;

/// A batch as it is cut out of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) batch: BatchNo,
    pub(crate) first_line: u64,
    /// The number of the first row, from 1.
    pub(crate) first_row: u64,
    pub(crate) rows: u32,
    pub(crate) first_offset: u64,
    pub(crate) end_offset: u64,
    pub(crate) records: Vec<u8>,
    /// All earlier batches must be applied before this one.
    pub(crate) starts_epoch: bool,
}

/// What has been cut so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) batches: u32,
    pub(crate) rows: u64,
    /// The offset at which the last complete record ends.
    pub(crate) end_offset: u64,
}

pub(crate) struct Cutter {
    rules: CutRules,
    records: Records,
    seen_titles: bool,
    open: OpenBatch,
    progress: Progress,
    /// The users of the closed batches of the epoch.
    epoch_keys: HashSet<u64>,
    epoch_rows: u64,
}

/// The batch that is being filled.
#[derive(Default)]
struct OpenBatch {
    first_line: u64,
    first_row: u64,
    first_offset: u64,
    rows: u32,
    records: Vec<u8>,
    keys: Vec<u64>,
    last_key: Option<u64>,
    starts_epoch: bool,
}

impl Cutter {
    /// A cutter for text whose byte order mark of `mark_bytes` bytes has been removed.
    pub(crate) fn new(rules: CutRules, layout: Layout<'_>, mark_bytes: u64) -> Self {
        let records = Records::new(layout, rules.record);
        Self {
            rules,
            seen_titles: !records.have_titles(),
            records,
            open: OpenBatch::default(),
            progress: Progress { end_offset: mark_bytes, ..Progress::default() },
            epoch_keys: HashSet::new(),
            epoch_rows: 0,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// The line that the cutter has reached.
    pub(crate) fn line(&self) -> u64 {
        self.records.line()
    }

    /// Reads text until a batch is complete. Returns the batch, if there is one, and the number of bytes used.
    pub(crate) fn read(&mut self, text: &[u8], at_end: bool) -> Result<(Option<Cut>, usize), RecordError> {
        let mut used = 0;
        loop {
            match self.records.scan(&text[used..], at_end)? {
                Scan::NeedInput | Scan::End => return Ok((None, text.len())),
                Scan::Record(consumed) => {
                    used += consumed;
                    if let Some(cut) = self.take_record() {
                        return Ok((Some(cut), used));
                    }
                }
            }
        }
    }

    /// Returns the last batch, after the end of the text or an error.
    pub(crate) fn take_last(&mut self) -> Option<Cut> {
        if self.open.rows > 0 { Some(self.close_batch(false)) } else { None }
    }

    fn take_record(&mut self) -> Option<Cut> {
        if !self.seen_titles {
            self.seen_titles = true;
            self.progress.end_offset += self.record_bytes();
            return None;
        }
        let key = self.records.key();
        // With batches of two rows, the rows A, B, A make two batches. The second A is not in a closed batch yet, but
        // its row closes the batch with the first A, so it must start an epoch.
        let in_closed_batch = key.is_some_and(|key| self.epoch_keys.contains(&key));
        let batch_full = self.is_full(key);
        let in_closing_batch = batch_full && key.is_some_and(|key| self.open.keys.contains(&key));
        let epoch_full = self.epoch_rows + u64::from(self.open.rows) >= self.rules.epoch_rows;
        let cut = if in_closed_batch || in_closing_batch || epoch_full {
            self.end_epoch()
        } else if batch_full {
            Some(self.close_batch(false))
        } else {
            None
        };
        self.add(key);
        cut
    }

    /// Whether the current record, which is about the user with this key, does not fit in the open batch.
    fn is_full(&self, key: Option<u64>) -> bool {
        let open = &self.open;
        if open.rows == 0 {
            return false;
        }
        // Blank lines before the record are kept up to a limit. Above it, the record must start a batch, or the line
        // numbers after them would be wrong.
        let Some(lead) = self.records.lead() else { return true };
        let over_bytes = open.records.len() + lead.len() + self.records.raw().len() > self.rules.batch_bytes;
        let over_rows = open.rows >= self.rules.batch_rows;
        let same_user = key.is_some() && key == open.last_key;
        let room_for_same_user = open.rows < self.rules.batch_rows + MAX_EXTRA_SAME_USER_ROWS;
        over_bytes || (over_rows && !(same_user && room_for_same_user))
    }

    fn end_epoch(&mut self) -> Option<Cut> {
        let cut = if self.open.rows > 0 { Some(self.close_batch(true)) } else { None };
        self.epoch_keys.clear();
        self.epoch_rows = 0;
        self.open.starts_epoch = true;
        cut
    }

    fn close_batch(&mut self, ends_epoch: bool) -> Cut {
        let capacity = self.open.records.len();
        let closed = std::mem::take(&mut self.open);
        self.progress.batches += 1;
        if !ends_epoch {
            if self.progress.batches == BIG_FILE_BATCHES {
                // Reserved in one step: while a growing set is rehashed, the old table and the new one are in memory.
                let rows = usize::try_from(self.rules.epoch_rows).unwrap_or_default();
                self.epoch_keys.reserve(rows.saturating_sub(self.epoch_keys.len()));
            }
            self.epoch_keys.extend(closed.keys);
            self.epoch_rows += u64::from(closed.rows);
        }
        self.open.records.reserve(capacity);
        Cut {
            batch: BatchNo(self.progress.batches),
            first_line: closed.first_line,
            first_row: closed.first_row,
            rows: closed.rows,
            first_offset: closed.first_offset,
            end_offset: self.progress.end_offset,
            records: closed.records,
            starts_epoch: closed.starts_epoch,
        }
    }

    fn add(&mut self, key: Option<u64>) {
        if self.open.rows == 0 {
            self.open.first_line = self.records.line();
            self.open.first_row = self.progress.rows + 1;
            // The first batch covers the header too, and every batch the blank lines before it.
            self.open.first_offset = if self.progress.batches == 0 { 0 } else { self.progress.end_offset };
        } else {
            self.open.records.extend_from_slice(self.records.lead().unwrap_or_default());
        }
        self.open.records.extend_from_slice(self.records.raw());
        self.open.rows += 1;
        self.open.keys.extend(key);
        self.open.last_key = key;
        self.progress.rows += 1;
        self.progress.end_offset += self.record_bytes();
    }

    /// The size of the record and of the blank lines before it.
    fn record_bytes(&self) -> u64 {
        self.records.lead_bytes() + self.records.raw().len() as u64
    }
}

#[cfg(test)]
mod tests;
