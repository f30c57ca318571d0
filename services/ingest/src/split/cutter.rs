//! Cuts decoded text into batches and epochs. Where it cuts depends only on the text and the cut rules, not on the
//! pieces in which the text arrives.
//!
//! An epoch is a run of batches that can be applied in any order, because no user occurs in two of them, and no e-mail and
//! no login is set in two of them. All batches of earlier epochs must be applied before.

use std::collections::HashSet;

use muster_domain::csv::BrokenLine;
use muster_domain::scanner::{RecordError, Scan};
use muster_domain::{BatchNo, RowsStart};
use muster_ports::CutRules;

use super::records::{Layout, RecordHashes, Records};

/// How many rows more than its limit a batch may have, so that consecutive rows of one user stay together.
const MAX_EXTRA_SAME_USER_ROWS: u32 = 100;

/// The maximum number of broken lines in a batch. They are listed in a header of its message.
const MAX_BROKEN_LINES: usize = 2000;

/// A file with this many batches is expected to fill whole epochs: memory for the keys of one is then reserved.
const BIG_FILE_BATCHES: u32 = 20;

/// A batch that has been cut out of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) batch: BatchNo,
    /// The line on which its text starts, from 1.
    pub(crate) first_line: u64,
    /// The number of the first row, from 1.
    pub(crate) first_row: u64,
    pub(crate) rows: u32,
    /// The offsets of its part of the decoded file, in bytes.
    pub(crate) first_offset: u64,
    pub(crate) end_offset: u64,
    /// Its records, with what separates them.
    pub(crate) records: Vec<u8>,
    /// The lines from which no record could be read.
    pub(crate) broken: Vec<BrokenLine>,
    /// All earlier batches must be applied before this one.
    pub(crate) starts_epoch: bool,
}

/// How far the file has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The batches that have been cut.
    pub(crate) batches: u32,
    /// The rows that have been read, those of the open batch included.
    pub(crate) rows: u64,
    /// The offset at which the last complete record ends.
    pub(crate) end_offset: u64,
    /// The blank rows that were skipped.
    pub(crate) blank_rows: u64,
    /// The lines that were skipped because they have titles, those above the rows included.
    pub(crate) skipped_lines: u64,
}

/// Reads records and fills batches with them.
pub(crate) struct Cutter {
    rules: CutRules,
    records: Records,
    open: OpenBatch,
    progress: Progress,
    /// Where the rows start.
    start: RowsStart,
    /// Hashes of the users, e-mails and logins in the closed batches of the epoch. Two of them with one hash cost a
    /// needless epoch, nothing else.
    epoch_hashes: HashSet<u64>,
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
    broken: Vec<BrokenLine>,
    /// Hashes of its users, e-mails and logins.
    hashes: Vec<u64>,
    last_user: Option<u64>,
    starts_epoch: bool,
}

impl Cutter {
    /// Creates a cutter for the rows of a file, which start after a byte order mark of `mark_bytes` bytes and the titles.
    pub(crate) fn new(rules: CutRules, layout: Layout<'_>, mark_bytes: u64) -> Self {
        Self {
            rules,
            records: Records::new(layout, rules.record),
            open: OpenBatch::default(),
            progress: Progress { end_offset: mark_bytes + layout.start.offset, ..Progress::default() },
            start: layout.start,
            epoch_hashes: HashSet::new(),
            epoch_rows: 0,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        let (blank_rows, skipped) =
            self.records.lines().map_or((0, 0), |scanner| (scanner.blank_rows(), scanner.skipped_lines()));
        Progress {
            blank_rows: self.start.blank_rows + blank_rows,
            skipped_lines: self.start.skipped_lines + skipped,
            ..self.progress
        }
    }

    /// The line on which the last record starts.
    pub(crate) fn line(&self) -> u64 {
        self.records.line()
    }

    /// Reads text until a batch is complete. Returns the batch, if there is one, and the number of bytes read. The
    /// record that completed the batch is read too; it is the first one of the next batch.
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
        let is_broken = self.records.problem().is_some();
        let hashes = if is_broken { RecordHashes::default() } else { self.records.hashes() };
        let all = || [hashes.user, hashes.email, hashes.login].into_iter().flatten();
        // If this row does not fit in the open batch, and its user is in that batch, the user would be in two batches
        // of one epoch. `epoch_hashes` does not show that, because the batch is not closed yet. Example: batches of two
        // rows, and rows of the users A, B, A.
        let in_closed_batch = all().any(|hash| self.epoch_hashes.contains(&hash));
        let batch_is_full = self.must_start_batch(hashes.user);
        let in_closing_batch = batch_is_full && all().any(|hash| self.open.hashes.contains(&hash));
        let epoch_full = self.epoch_rows + u64::from(self.open.rows) >= self.rules.epoch_rows;
        let cut = if in_closed_batch || in_closing_batch || epoch_full {
            self.end_epoch()
        } else if batch_is_full {
            Some(self.close_batch(false))
        } else {
            None
        };
        self.add(hashes);
        cut
    }

    /// Whether the current record, of the user with this hash, does not fit in the open batch.
    fn must_start_batch(&self, user: Option<u64>) -> bool {
        let open = &self.open;
        if open.rows == 0 {
            return false;
        }
        // The blank lines before the record. Too many are not kept: the record must then start a batch, because a
        // worker counts lines from the first line of its batch.
        let Some(lead) = self.records.lead() else { return true };
        let over_bytes = open.records.len() + lead.len() + self.records.raw().len() > self.rules.batch_bytes;
        let over_rows = open.rows >= self.rules.batch_rows;
        let same_user = user.is_some() && user == open.last_user;
        let room_for_same_user = open.rows < self.rules.batch_rows + MAX_EXTRA_SAME_USER_ROWS;
        let over_broken = open.broken.len() >= MAX_BROKEN_LINES;
        over_bytes || over_broken || (over_rows && !(same_user && room_for_same_user))
    }

    fn end_epoch(&mut self) -> Option<Cut> {
        let cut = if self.open.rows > 0 { Some(self.close_batch(true)) } else { None };
        self.epoch_hashes.clear();
        self.epoch_rows = 0;
        self.open.starts_epoch = true;
        cut
    }

    /// Closes the open batch. Lines of titles after its last record belong to it, so that a worker reports them.
    fn close_batch(&mut self, ends_epoch: bool) -> Cut {
        if self.records.line_of_skipped_titles().is_some() {
            self.open.records.extend_from_slice(self.records.lead().unwrap_or_default());
        }
        let capacity = self.open.records.len();
        let closed = std::mem::take(&mut self.open);
        self.progress.batches += 1;
        if !ends_epoch {
            if self.progress.batches == BIG_FILE_BATCHES {
                // Reserved in one step, because a set that grows needs memory for its old and its new table at once.
                let rows = usize::try_from(self.rules.epoch_rows).unwrap_or_default();
                let hashes = rows.saturating_mul(self.records.hashes_per_record());
                self.epoch_hashes.reserve(hashes.saturating_sub(self.epoch_hashes.len()));
            }
            self.epoch_hashes.extend(closed.hashes);
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
            broken: closed.broken,
            starts_epoch: closed.starts_epoch,
        }
    }

    fn add(&mut self, hashes: RecordHashes) {
        if self.open.rows == 0 {
            // Lines of titles above the first row belong to its batch; later ones are in the batch before.
            let above = self.records.line_of_skipped_titles().filter(|_| self.progress.rows == 0);
            self.open.first_line = above.unwrap_or(self.records.line());
            if above.is_some() {
                self.open.records.extend_from_slice(self.records.lead().unwrap_or_default());
            }
            self.open.first_row = self.progress.rows + 1;
            // The first batch also covers the title line, and every batch the blank lines before its first record.
            self.open.first_offset = if self.progress.batches == 0 { 0 } else { self.progress.end_offset };
        } else {
            self.open.records.extend_from_slice(self.records.lead().unwrap_or_default());
        }
        self.open.records.extend_from_slice(self.records.raw());
        if let Some(problem) = self.records.problem() {
            self.open.broken.push(BrokenLine { line: self.records.line(), problem });
        }
        self.open.rows += 1;
        self.open.hashes.extend([hashes.user, hashes.email, hashes.login].into_iter().flatten());
        self.open.last_user = hashes.user;
        self.progress.rows += 1;
        self.progress.end_offset += self.record_and_lead_bytes();
    }

    /// The size of the record and of the blank lines before it, in bytes.
    fn record_and_lead_bytes(&self) -> u64 {
        self.records.lead_bytes() + self.records.bytes()
    }
}

#[cfg(test)]
mod tests;
