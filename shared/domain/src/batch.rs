//! The rows of one batch after their checks: canonical values in one shared piece of text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::counts::Counts;
use crate::field::{FIELD_COUNT, Field};
use crate::rejection::{Rejection, RejectionCode};
use crate::shape::{Columns, Identity, RowShape};
use crate::text::{ValueError, fault_of_ours};

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
    pub(crate) row: Option<u64>,
    pub(crate) key: Span,
    pub(crate) username_key: Option<Span>,
    pub(crate) email_key: Option<Span>,
    pub(crate) password: Option<Span>,
    pub(crate) password_hash: Option<Span>,
    pub(crate) cells: [SpanCell; FIELD_COUNT],
    /// Position of the title, and what the row says about the attribute of that name.
    pub(crate) attributes: Vec<(u16, SpanCell)>,
}

/// The checked rows of a batch and the rejections of those that failed.
#[derive(Clone)]
pub struct CheckedBatch {
    shape: RowShape,
    text: String,
    titles: Vec<String>,
    rows: Vec<RowSpans>,
    rejections: Vec<Rejection>,
    warnings: u64,
    /// The keys of failed rows that could be read all the same.
    named: Vec<Span>,
}

/// Only numbers: the rest is about people.
impl std::fmt::Debug for CheckedBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckedBatch")
            .field("identity", &self.shape.identity)
            .field("rows", &self.rows.len())
            .field("rejections", &self.rejections.len())
            .finish_non_exhaustive()
    }
}

impl CheckedBatch {
    pub(crate) fn new(shape: RowShape, titles: Vec<String>, capacity: usize) -> Self {
        Self {
            shape,
            text: String::with_capacity(capacity),
            titles,
            rows: Vec::new(),
            rejections: Vec::new(),
            warnings: 0,
            named: Vec::new(),
        }
    }

    /// A batch whose rows have all failed for one reason that lies outside them.
    pub fn all_failed(shape: RowShape, rejections: Vec<Rejection>) -> Self {
        Self { rejections, ..Self::new(shape, Vec::new(), 0) }
    }

    /// What all rows have in common.
    pub fn shape(&self) -> RowShape {
        self.shape
    }

    /// How the rows identify users.
    pub fn identity(&self) -> Identity {
        self.shape.identity
    }

    /// Which fields the rows can set.
    pub fn columns(&self) -> Columns {
        self.shape.columns
    }

    /// The keys of failed rows that could be read all the same.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|span| self.slice(*span))
    }

    /// How many rows failed without telling whom they are about.
    pub fn unnamed(&self) -> u64 {
        (self.rejections.len() - self.named.len()) as u64
    }

    /// The passwords of users who may be new: the index of the row, its key and its password.
    pub fn passwords(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        let rows = self.rows.iter().enumerate();
        rows.filter_map(|(index, row)| Some((index, self.slice(row.key), self.slice(row.password?))))
    }

    /// Gives a row the hash of its password, which counts if its user turns out to be new.
    pub fn set_password_hash(&mut self, index: usize, hash: &str) {
        let start = self.text.len();
        self.text.push_str(hash);
        self.rows[index].password_hash = Some(Span { start: narrow(start), end: narrow(self.text.len()) });
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

    /// Checks a row. What a row that fails left behind is undone; a fault of ours in a rule costs the one
    /// row that meets it.
    pub(crate) fn attempt<C>(
        &mut self,
        check: impl FnOnce(&mut Self) -> Result<(), (Option<C>, ValueError)>,
    ) -> Result<(), (Option<C>, ValueError)> {
        let undo = self.text.len();
        let checked = catch_unwind(AssertUnwindSafe(|| check(self))).unwrap_or_else(|_| Err((None, fault_of_ours())));
        if checked.is_err() {
            self.text.truncate(undo);
        }
        checked
    }

    pub(crate) fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    pub(crate) fn push_row(&mut self, row: RowSpans, warnings: u64) {
        self.rows.push(row);
        self.warnings += warnings;
    }

    pub(crate) fn push_named(&mut self, key: &str) {
        let start = self.text.len();
        self.text.push_str(key);
        self.named.push(Span { start: narrow(start), end: narrow(self.text.len()) });
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

    /// The number of the record in its file, counted from 1, where it is known.
    pub fn row(&self) -> Option<u64> {
        self.row.row
    }

    /// By what the user is found: the folded user name (Spigit), the uid (Collaborator).
    pub fn key(&self) -> &'a str {
        self.batch.slice(self.row.key)
    }

    /// The folded user name, if the row says one.
    pub fn username_key(&self) -> Option<&'a str> {
        self.row.username_key.map(|span| self.batch.slice(span))
    }

    /// The folded e-mail, if the row says one.
    pub fn email_key(&self) -> Option<&'a str> {
        self.row.email_key.map(|span| self.batch.slice(span))
    }

    /// How the row identifies its user.
    pub fn identity(&self) -> Identity {
        self.batch.shape.identity
    }

    /// The hash of the password, for a new user.
    pub fn password_hash(&self) -> Option<&'a str> {
        self.row.password_hash.map(|span| self.batch.slice(span))
    }

    /// The field that a new user must have and of which the row says nothing.
    pub fn missing_for_new(&self) -> Option<Field> {
        let required = [Field::Username, Field::FirstName, Field::LastName];
        required.into_iter().find(|field| !matches!(self.cell(*field), Cell::Set(_)))
    }

    /// The rejection of this row.
    pub fn reject(&self, column: Option<&str>, code: RejectionCode, message: impl Into<String>) -> Rejection {
        Rejection::new(self.line(), column.map(str::to_owned), code, message).of_row(self.row())
    }

    /// What the API of the file calls a field.
    pub fn name_of(&self, field: Field) -> &'static str {
        (self.batch.shape.field_name)(field)
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
