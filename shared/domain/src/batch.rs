//! The rows of one batch after their checks: canonical values in one shared piece of text.

use crate::counts::Counts;
use crate::field::{FIELD_COUNT, Field};
use crate::rejection::Rejection;

/// A stretch of the shared text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// What a row says about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing: the stored value stays.
    Keep,
    /// The value is to be empty.
    Clear,
    /// The value is to be this one.
    Set(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanCell {
    Keep,
    Clear,
    Set(Span),
}

/// A row that passed its checks.
#[derive(Clone, Debug)]
pub(crate) struct RowSpans {
    pub(crate) line: u64,
    pub(crate) key: Span,
    pub(crate) email_key: Span,
    pub(crate) cells: [SpanCell; FIELD_COUNT],
    /// Position of the title, and what the row says about the attribute of that name.
    pub(crate) attributes: Vec<(u16, SpanCell)>,
}

/// The checked rows of a batch and the rejections of those that failed.
#[derive(Clone, Debug, Default)]
pub struct CheckedBatch {
    text: String,
    titles: Vec<String>,
    rows: Vec<RowSpans>,
    rejections: Vec<Rejection>,
    warnings: u64,
}

impl CheckedBatch {
    pub(crate) fn new(titles: Vec<String>, capacity: usize) -> Self {
        Self { text: String::with_capacity(capacity), titles, ..Self::default() }
    }

    /// A batch whose rows have all failed for one reason that lies outside them.
    pub fn all_failed(rejections: Vec<Rejection>) -> Self {
        Self { rejections, ..Self::default() }
    }

    /// The rows that passed, in line order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = CheckedRow<'_>> + Clone {
        self.rows.iter().map(|row| CheckedRow { batch: self, row })
    }

    /// Why the other rows failed, in line order.
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// The counts before any row is applied: the failed rows and the warnings.
    pub fn initial_counts(&self) -> Counts {
        Counts { failed: self.rejections.len() as u64, warnings: self.warnings, ..Counts::default() }
    }

    /// How many rows the batch has, failed ones included.
    pub fn row_count(&self) -> u64 {
        (self.rows.len() + self.rejections.len()) as u64
    }

    /// Appends text by a function that may fail half-way; then the text is as it was before.
    pub(crate) fn append<E>(&mut self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<Span, E> {
        let start = self.text.len();
        if let Err(error) = write(&mut self.text) {
            self.text.truncate(start);
            return Err(error);
        }
        Ok(Span { start: narrow(start), end: narrow(self.text.len()) })
    }

    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn truncate_text(&mut self, len: usize) {
        self.text.truncate(len);
    }

    pub(crate) fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    pub(crate) fn push_row(&mut self, row: RowSpans, warnings: u64) {
        self.rows.push(row);
        self.warnings += warnings;
    }

    pub(crate) fn push_rejection(&mut self, rejection: Rejection) {
        self.rejections.push(rejection);
    }
}

/// A batch is at most a few MiB of text, so that its offsets fit.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).expect("the text of a batch is bounded far below 4 GiB")
}

/// A row that passed its checks.
#[derive(Clone, Copy, Debug)]
pub struct CheckedRow<'a> {
    batch: &'a CheckedBatch,
    row: &'a RowSpans,
}

impl<'a> CheckedRow<'a> {
    /// The physical line on which the row starts.
    pub fn line(&self) -> u64 {
        self.row.line
    }

    /// The folded user name.
    pub fn key(&self) -> &'a str {
        self.batch.slice(self.row.key)
    }

    /// The folded e-mail.
    pub fn email_key(&self) -> &'a str {
        self.batch.slice(self.row.email_key)
    }

    /// What the row says about a field.
    pub fn cell(&self, field: Field) -> Cell<'a> {
        self.resolve(self.row.cells[field.index()])
    }

    /// What the row says about attributes, by title.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Cell<'a>)> {
        let (batch, row) = (self.batch, *self);
        self.row
            .attributes
            .iter()
            .map(move |(title, cell)| (batch.titles[usize::from(*title)].as_str(), row.resolve(*cell)))
    }

    fn resolve(&self, cell: SpanCell) -> Cell<'a> {
        match cell {
            SpanCell::Keep => Cell::Keep,
            SpanCell::Clear => Cell::Clear,
            SpanCell::Set(span) => Cell::Set(self.batch.slice(span)),
        }
    }
}
