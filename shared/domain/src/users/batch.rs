//! The rows of one batch after their checks, with their canonical values in one shared string.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::counts::Counts;
use crate::field::{FIELD_COUNT, Field};
use crate::rejection::{Rejection, RejectionCode};
use crate::shape::{Columns, Identity, RowShape};
use crate::text::{ValueError, internal_error};
use crate::warning::{MAX_KEPT_WARNINGS, Warning};

/// A range of the shared text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// What a row does to a field or attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// It keeps the stored value.
    Keep,
    /// It clears the value.
    Clear,
    /// It sets this value.
    Set(&'a str),
}

/// A [`Cell`] whose text is in the shared text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanCell {
    Keep,
    Clear,
    Set(Span),
}

/// A row that passed its checks, with its texts in the shared text.
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
    /// The position of the title and the cell of each attribute.
    pub(crate) attributes: Vec<(u16, SpanCell)>,
}

/// The rows of a batch that passed their checks, and the rejections of the others.
#[derive(Clone)]
pub struct CheckedBatch {
    shape: RowShape,
    text: String,
    titles: Vec<String>,
    rows: Vec<RowSpans>,
    rejections: Vec<Rejection>,
    /// All warnings, those included that are not kept.
    warning_count: u64,
    warnings: Vec<Warning>,
    /// The keys of failed rows, where the key could be read.
    failed_keys: Vec<Span>,
}

/// Shows only numbers: the values are personal data.
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
            warning_count: 0,
            warnings: Vec::new(),
            failed_keys: Vec::new(),
        }
    }

    /// A batch whose rows have all failed, although no check rejected them.
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

    /// The keys of failed rows, where the key could be read.
    pub fn failed_keys(&self) -> impl Iterator<Item = &str> {
        self.failed_keys.iter().map(|span| self.slice(*span))
    }

    /// The number of failed rows whose key could not be read.
    pub fn rows_without_key(&self) -> u64 {
        (self.rejections.len() - self.failed_keys.len()) as u64
    }

    /// The rows that have a password: the index of the row, its key and its password.
    pub fn passwords(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        let rows = self.rows.iter().enumerate();
        rows.filter_map(|(index, row)| Some((index, self.slice(row.key), self.slice(row.password?))))
    }

    /// Sets the password hash of a row. It is stored only if the user is new.
    pub fn set_password_hash(&mut self, index: usize, hash: &str) {
        let hash = self.push_text(hash);
        self.rows[index].password_hash = Some(hash);
    }

    /// The rows that passed their checks, in line order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = CheckedRow<'_>> + Clone {
        self.rows.iter().map(|row| CheckedRow { batch: self, row })
    }

    /// The rejections of the other rows, in line order.
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// The counts before any row is applied: the failed rows and the warnings.
    pub fn initial_counts(&self) -> Counts {
        Counts { failed: self.rejections.len() as u64, warnings: self.warning_count, ..Counts::default() }
    }

    /// The number of rows, including failed ones.
    pub fn row_count(&self) -> u64 {
        (self.rows.len() + self.rejections.len()) as u64
    }

    /// Appends text by a function. If it fails, what it wrote is removed.
    pub(crate) fn append(
        &mut self,
        write: impl FnOnce(&mut String) -> Result<(), ValueError>,
    ) -> Result<Span, ValueError> {
        let start = self.text.len();
        if let Err(error) = write(&mut self.text) {
            self.text.truncate(start);
            return Err(error);
        }
        Ok(Span { start: offset(start), end: offset(self.text.len()) })
    }

    /// Checks a row. If it fails, its text is removed. A panic in a rule fails only the row.
    pub(crate) fn check_row<C>(
        &mut self,
        check: impl FnOnce(&mut Self) -> Result<(), (Option<C>, ValueError)>,
    ) -> Result<(), (Option<C>, ValueError)> {
        let start = self.text.len();
        let checked = catch_unwind(AssertUnwindSafe(|| check(self))).unwrap_or_else(|_| Err((None, internal_error())));
        if checked.is_err() {
            self.text.truncate(start);
        }
        checked
    }

    pub(crate) fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// The position of a title, which is added if it is new.
    pub(crate) fn title_position(&mut self, title: &str) -> u16 {
        let position = self.titles.iter().position(|known| known == title).unwrap_or_else(|| {
            self.titles.push(title.to_owned());
            self.titles.len() - 1
        });
        u16::try_from(position).expect("the rows of a batch have far fewer titles")
    }

    pub(crate) fn push_row(&mut self, row: RowSpans) {
        self.rows.push(row);
    }

    /// Counts a warning, and keeps it if it is one of the first of the batch.
    pub(crate) fn push_warning(&mut self, warning: Warning) {
        self.warning_count += 1;
        if self.warnings.len() < MAX_KEPT_WARNINGS {
            self.warnings.push(warning);
        }
    }

    /// The warnings that are kept: the first of the batch.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(crate) fn push_failed_key(&mut self, key: &str) {
        let span = self.push_text(key);
        self.failed_keys.push(span);
    }

    /// Appends text.
    pub(crate) fn push_text(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span { start: offset(start), end: offset(self.text.len()) }
    }

    pub(crate) fn push_rejection(&mut self, rejection: Rejection) {
        self.rejections.push(rejection);
    }
}

fn offset(position: usize) -> u32 {
    u32::try_from(position).expect("the text of a batch is bounded far below 4 GiB")
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

    /// The number of the record in its file, counted from 1; `None` if it is not known.
    pub fn row(&self) -> Option<u64> {
        self.row.row
    }

    /// The key that identifies the user: the folded user name (Spigit) or the uid (Collaborator).
    pub fn key(&self) -> &'a str {
        self.batch.slice(self.row.key)
    }

    /// The folded user name, if the row sets one.
    pub fn username_key(&self) -> Option<&'a str> {
        self.row.username_key.map(|span| self.batch.slice(span))
    }

    /// The folded e-mail, if the row sets one.
    pub fn email_key(&self) -> Option<&'a str> {
        self.row.email_key.map(|span| self.batch.slice(span))
    }

    /// How the row identifies its user.
    pub fn identity(&self) -> Identity {
        self.batch.shape.identity
    }

    /// The hash of the password, which is stored only if the user is new.
    pub fn password_hash(&self) -> Option<&'a str> {
        self.row.password_hash.map(|span| self.batch.slice(span))
    }

    /// The first field that a new user must have and the row does not set.
    pub fn unset_required_field(&self) -> Option<Field> {
        let required = [Field::Username, Field::FirstName, Field::LastName];
        required.into_iter().find(|field| !matches!(self.cell(*field), Cell::Set(_)))
    }

    /// Creates a rejection of this row.
    pub fn reject(&self, column: Option<&str>, code: RejectionCode, message: impl Into<String>) -> Rejection {
        Rejection::new(self.line(), column.map(str::to_owned), code, message).with_row(self.row())
    }

    /// What the API of the file calls a field.
    pub fn field_name(&self, field: Field) -> &'static str {
        (self.batch.shape.field_name)(field)
    }

    /// What the row does to a field.
    pub fn cell(&self, field: Field) -> Cell<'a> {
        self.resolve(self.row.cells[field.index()])
    }

    /// What the row does to attributes, by title.
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
