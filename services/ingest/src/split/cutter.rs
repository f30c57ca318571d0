//! Cuts decoded text into batches and epochs: a pure function of the text and the rules.
//!
//! An epoch is a stretch of batches without a common user. Only its last batch may be followed by a
//! row of a user who is in it already.

use std::collections::HashSet;

use muster_domain::BatchNo;
use muster_domain::record::{RecordError, Scan};
use muster_ports::CutRules;

use super::records::{Layout, Records};

/// Rows by which a batch may be longer so that rows of one user that follow each other stay
/// together.
const SAME_USER_ROWS: u32 = 100;

/// From this batch on a file is taken for one that fills epochs.
const BIG_FILE_BATCHES: u32 = 20;

/// A piece of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) batch: BatchNo,
    pub(crate) first_line: u64,
    /// The number of the first record, counted from 1.
    pub(crate) first_row: u64,
    pub(crate) rows: u32,
    pub(crate) first_offset: u64,
    pub(crate) end_offset: u64,
    pub(crate) records: Vec<u8>,
    /// All earlier batches must be applied before this one may be.
    pub(crate) begins_epoch: bool,
}

/// What has been read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) batches: u32,
    pub(crate) rows: u64,
    /// Where the last complete record ends.
    pub(crate) end_offset: u64,
}

pub(crate) struct Cutter {
    rules: CutRules,
    records: Records,
    titles_seen: bool,
    open: Open,
    progress: Progress,
    epoch_keys: HashSet<u64>,
    epoch_rows: u64,
}

/// The batch that is being filled.
#[derive(Default)]
struct Open {
    first_line: u64,
    first_row: u64,
    first_offset: u64,
    rows: u32,
    records: Vec<u8>,
    keys: Vec<u64>,
    last_key: Option<u64>,
    begins_epoch: bool,
}

impl Cutter {
    /// A cutter for text without its byte order mark, which is `skipped` bytes long.
    pub(crate) fn new(rules: CutRules, layout: Layout<'_>, skipped: u64) -> Self {
        let records = Records::new(layout, rules.record);
        Self {
            rules,
            titles_seen: !records.have_titles(),
            records,
            open: Open::default(),
            progress: Progress { end_offset: skipped, ..Progress::default() },
            epoch_keys: HashSet::new(),
            epoch_rows: 0,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// The line that is being read.
    pub(crate) fn line(&self) -> u64 {
        self.records.line()
    }

    /// Reads text until a batch is complete. Gives the batch, if there is one, and how much of the
    /// text was used.
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

    /// The last batch, when the text is at its end or cannot be read on.
    pub(crate) fn last(&mut self) -> Option<Cut> {
        if self.open.rows > 0 { Some(self.close(false)) } else { None }
    }

    fn take_record(&mut self) -> Option<Cut> {
        if !self.titles_seen {
            self.titles_seen = true;
            self.progress.end_offset += self.record_bytes();
            return None;
        }
        let key = self.records.key();
        let repeats = key.is_some_and(|key| self.epoch_keys.contains(&key));
        let epoch_full = self.epoch_rows + u64::from(self.open.rows) >= self.rules.epoch_rows;
        let full = self.is_full(key);
        // The batch that is full becomes an earlier one now.
        let repeats = repeats || (full && key.is_some_and(|key| self.open.keys.contains(&key)));
        let cut = if repeats || epoch_full {
            self.end_epoch()
        } else if full {
            Some(self.close(false))
        } else {
            None
        };
        self.add(key);
        cut
    }

    fn is_full(&self, key: Option<u64>) -> bool {
        let open = &self.open;
        if open.rows == 0 {
            return false;
        }
        // Blank lines that are not kept would shift the lines of the rows behind them.
        let Some(lead) = self.records.lead() else { return true };
        let over_bytes = open.records.len() + lead.len() + self.records.raw().len() > self.rules.batch_bytes;
        let over_rows = open.rows >= self.rules.batch_rows;
        let same_user = key.is_some() && key == open.last_key;
        let room_for_same_user = open.rows < self.rules.batch_rows + SAME_USER_ROWS;
        over_bytes || (over_rows && !(same_user && room_for_same_user))
    }

    fn end_epoch(&mut self) -> Option<Cut> {
        let cut = if self.open.rows > 0 { Some(self.close(true)) } else { None };
        self.epoch_keys.clear();
        self.epoch_rows = 0;
        self.open.begins_epoch = true;
        cut
    }

    fn close(&mut self, ends_epoch: bool) -> Cut {
        let capacity = self.open.records.len();
        let closed = std::mem::take(&mut self.open);
        self.progress.batches += 1;
        if !ends_epoch {
            if self.progress.batches == BIG_FILE_BATCHES {
                // At once: a set that grows step by step has two copies at its last step.
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
            begins_epoch: closed.begins_epoch,
        }
    }

    fn add(&mut self, key: Option<u64>) {
        if self.open.rows == 0 {
            self.open.first_line = self.records.line();
            self.open.first_row = self.progress.rows + 1;
            // The first batch covers the header, every batch the blank lines before it.
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

    /// The bytes of the record and of the blank lines before it.
    fn record_bytes(&self) -> u64 {
        self.records.lead_bytes() + self.records.raw().len() as u64
    }
}

#[cfg(test)]
mod tests;
