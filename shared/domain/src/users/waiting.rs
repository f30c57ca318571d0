//! Rows that wait until the rest of their file is applied, because they want what another user has.
//!
//! [`hand_over`](crate::hand_over) then decides about them together.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::batch::{Cell, CheckedBatch, CheckedRow, RowSpans, SpanCell};
use crate::decision::RowKeys;
use crate::field::{FIELD_COUNT, FIELDS};
use crate::profile::StoredUser;
use crate::shape::RowShape;

/// What the waiting rows of a job name and want.
#[derive(Clone, Debug, Default)]
pub struct WaitingClaims {
    keys: HashSet<String>,
    emails: HashSet<String>,
    logins: HashSet<String>,
}

impl WaitingClaims {
    /// Adds what a waiting row names and sets.
    pub fn add(&mut self, row: &CheckedRow<'_>) {
        self.add_keys(row.key(), row.email_key(), RowKeys::new(row).login);
    }

    /// Adds the key of the user, the folded e-mail and the folded login of a stored row.
    pub fn add_keys(&mut self, key: &str, email: Option<&str>, login: Option<&str>) {
        self.keys.insert(key.to_owned());
        self.emails.extend(email.map(str::to_owned));
        self.logins.extend(login.map(str::to_owned));
    }

    /// Whether no row waits, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a row may have to wait: its user has a waiting row, or a waiting row sets the same e-mail or login.
    pub fn concerns(&self, row: &CheckedRow<'_>) -> bool {
        self.keys.contains(row.key())
            || row.email_key().is_some_and(|email| self.emails.contains(email))
            || RowKeys::new(row).login.is_some_and(|login| self.logins.contains(login))
    }

    /// Whether a row has to wait. `stored` is its user. A row that sets what its user already has wants nothing.
    pub fn must_wait(&self, row: &CheckedRow<'_>, stored: Option<&StoredUser<'_>>) -> bool {
        if self.is_empty() {
            return false;
        }
        let wants = |value: Option<&str>, held: Option<&str>, claimed: &HashSet<String>| {
            value.is_some_and(|value| held != Some(value) && claimed.contains(value))
        };
        let email = stored.and_then(|user| user.profile.email_key());
        // A login that leads to a user without a uid is wanted too: another row may adopt the user.
        let has_key = stored.is_some_and(|user| user.has_key_of(row));
        let login = stored.filter(|_| has_key).map(|user| user.profile.username_key());
        self.keys.contains(row.key())
            || wants(row.email_key(), email, &self.emails)
            || wants(RowKeys::new(row).login, login, &self.logins)
    }
}

/// The stored form of a checked row. It has the hash of the password, never the password.
#[derive(Serialize, Deserialize)]
struct StoredRow<'a> {
    line: u64,
    row: Option<u64>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    username_key: Option<Cow<'a, str>>,
    email_key: Option<Cow<'a, str>>,
    password_hash: Option<Cow<'a, str>>,
    /// The fields that the row sets or clears, by column.
    fields: BTreeMap<Cow<'a, str>, Option<Cow<'a, str>>>,
    /// The attributes that the row sets or clears, by title.
    attributes: BTreeMap<Cow<'a, str>, Option<Cow<'a, str>>>,
}

/// The stored form of a row, as JSON.
pub fn to_json(row: &CheckedRow<'_>) -> String {
    let borrow = |text: Option<&'_ str>| text.map(|text| Cow::Owned(text.to_owned()));
    let changes = |cell: Cell<'_>| match cell {
        Cell::Keep => None,
        Cell::Clear => Some(None),
        Cell::Set(text) => Some(Some(Cow::Owned(text.to_owned()))),
    };
    let fields = FIELDS.iter().filter_map(|spec| Some((Cow::Borrowed(spec.column), changes(row.cell(spec.field))?)));
    let attributes = row.attributes().filter_map(|(title, cell)| Some((Cow::Borrowed(title), changes(cell)?)));
    let stored = StoredRow {
        line: row.line(),
        row: row.row(),
        key: Cow::Borrowed(row.key()),
        username_key: borrow(row.username_key()),
        email_key: borrow(row.email_key()),
        password_hash: borrow(row.password_hash()),
        fields: fields.collect(),
        attributes: attributes.collect(),
    };
    serde_json::to_string(&stored).expect("texts and numbers can be written as JSON")
}

/// Reads rows from their stored form, in line order.
pub fn from_json<'a>(
    shape: RowShape,
    rows: impl IntoIterator<Item = &'a str>,
) -> Result<CheckedBatch, serde_json::Error> {
    let stored = rows.into_iter().map(serde_json::from_str).collect::<Result<Vec<StoredRow<'_>>, _>>()?;
    let mut titles = Vec::new();
    let mut positions = HashMap::new();
    for title in stored.iter().flat_map(|row| row.attributes.keys()) {
        positions.entry(title.clone()).or_insert_with(|| {
            titles.push(title.clone().into_owned());
            u16::try_from(titles.len() - 1).expect("a file has far fewer titles")
        });
    }
    let mut batch = CheckedBatch::new(shape, titles, 0);
    for row in &stored {
        let spans = spans(&mut batch, row, &positions);
        batch.push_row(spans);
    }
    Ok(batch)
}

fn spans(batch: &mut CheckedBatch, row: &StoredRow<'_>, positions: &HashMap<Cow<'_, str>, u16>) -> RowSpans {
    let mut cells = [SpanCell::Keep; FIELD_COUNT];
    for spec in &FIELDS {
        if let Some(change) = row.fields.get(spec.column) {
            cells[spec.field.index()] = span_cell(batch, change.as_deref());
        }
    }
    let attributes = row.attributes.iter();
    let attributes =
        attributes.map(|(title, change)| (positions[title], span_cell(batch, change.as_deref()))).collect();
    let mut push = |text: &Option<Cow<'_, str>>| text.as_deref().map(|text| batch.push_text(text));
    let (username_key, email_key) = (push(&row.username_key), push(&row.email_key));
    let password_hash = push(&row.password_hash);
    RowSpans {
        line: row.line,
        row: row.row,
        key: batch.push_text(&row.key),
        username_key,
        email_key,
        password: None,
        password_hash,
        cells,
        attributes,
    }
}

fn span_cell(batch: &mut CheckedBatch, text: Option<&str>) -> SpanCell {
    text.map_or(SpanCell::Clear, |text| SpanCell::Set(batch.push_text(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Format;
    use crate::scanner::RecordLimits;
    use crate::{Handling, Header, collaborator, spigit};

    fn assert_same(before: &CheckedBatch) {
        let json: Vec<String> = before.rows().map(|row| to_json(&row)).collect();
        let after = from_json(before.shape(), json.iter().map(String::as_str)).unwrap();
        for (before, after) in before.rows().zip(after.rows()) {
            assert_eq!((before.line(), before.row(), before.key()), (after.line(), after.row(), after.key()));
            assert_eq!((before.username_key(), before.email_key()), (after.username_key(), after.email_key()));
            assert_eq!(before.password_hash(), after.password_hash());
            assert!(FIELDS.iter().all(|spec| before.cell(spec.field) == after.cell(spec.field)));
            let changes = |row: &CheckedRow<'_>| {
                let attributes = row.attributes().filter(|(_, cell)| *cell != Cell::Keep);
                attributes.map(|(title, cell)| (title.to_owned(), format!("{cell:?}"))).collect::<BTreeMap<_, _>>()
            };
            assert_eq!(changes(&before), changes(&after));
        }
        assert_eq!(before.rows().len(), after.rows().len());
    }

    #[test]
    fn the_stored_form_of_a_row_keeps_everything_but_the_password() {
        let titles = ["EMAIL", "USERNAME", "FIRST_NM", "LAST_NM", "Desk", "Badge"];
        let header = Header::parse(titles.map(str::as_bytes)).unwrap();
        let text = "a@x,a,f,l,7,\nB@x,B,\"f, \"\"g\"\"\",l,,9\n";
        assert_same(&spigit::check_text(&header, Handling::Strict, RecordLimits::default(), 2, text.as_bytes()));
        let text = "u;L;F;P;login;E@x;secret;;;;;;a,b\nv;L;F\n";
        let mut batch = collaborator::check_text(Format::Csv, RecordLimits::default(), 2, 1, text.as_bytes());
        batch.set_password_hash(0, "$argon2id$hash");
        assert_same(&batch);
        assert!(!batch.rows().map(|row| to_json(&row)).any(|json| json.contains("secret")));
    }
}
