//! The profile of a user, and how rows change it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::batch::{Cell, CheckedRow};
use crate::counts::Counts;
use crate::field::{FIELD_COUNT, FIELDS, Field};
use crate::ids::JobId;
use crate::key::fold_email;
use crate::shape::Identity;
use crate::warning::{Warning, WarningCode};

/// The maximum number of attributes of a user, and their maximum size in bytes: titles and values. Files add attributes
/// to those of earlier files, so without a limit a user could become arbitrarily large.
pub const MAX_ATTRIBUTES: usize = 200;
/// See [`MAX_ATTRIBUTES`].
pub const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;

/// The job and line that last wrote a user. A later write has a greater version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The id of the job.
    pub job: i64,
    /// The line of the row.
    pub line: i64,
}

impl Version {
    /// The version that a row writes.
    pub fn new(job: JobId, line: u64) -> Self {
        Self { job: job.0, line: line.cast_signed() }
    }
}

/// The values of a user in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile<'a> {
    /// Boxed, because a profile is moved several times on its way from the database and back.
    values: Box<[Option<&'a str>; FIELD_COUNT]>,
    username_key: &'a str,
    email_key: Option<&'a str>,
    password_hash: Option<&'a str>,
    attributes: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// The changes that a row made to a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// A field or an attribute was changed, in a way other than blocking or unblocking the user.
    pub profile: bool,
    /// The user was active before and is blocked now.
    pub blocked: bool,
    /// The user was blocked before and is active now.
    pub unblocked: bool,
}

impl Change {
    /// Whether anything was changed.
    pub const fn any(self) -> bool {
        self.profile || self.blocked || self.unblocked
    }
}

impl Default for Profile<'_> {
    fn default() -> Self {
        Self {
            values: Box::new([None; FIELD_COUNT]),
            username_key: "",
            email_key: None,
            password_hash: None,
            attributes: BTreeMap::new(),
        }
    }
}

impl<'a> Profile<'a> {
    /// Creates a profile from stored values. `attributes` is a JSON object of strings; `None` if there are none.
    pub fn from_stored(
        values: Box<[Option<&'a str>; FIELD_COUNT]>,
        username_key: &'a str,
        email_key: Option<&'a str>,
        attributes: Option<&str>,
    ) -> Result<Self, serde_json::Error> {
        let attributes = match attributes {
            Some(json) => serde_json::from_str::<BTreeMap<String, String>>(json)?
                .into_iter()
                .map(|(title, value)| (Cow::Owned(title), Cow::Owned(value)))
                .collect(),
            None => BTreeMap::new(),
        };
        Ok(Self { values, username_key, email_key, password_hash: None, attributes })
    }

    /// The value of a field.
    pub fn value(&self, field: Field) -> Option<&'a str> {
        self.values[field.index()]
    }

    /// The values in the order of [`FIELDS`].
    pub fn values(&self) -> &[Option<&'a str>; FIELD_COUNT] {
        &self.values
    }

    /// The folded user name.
    pub fn username_key(&self) -> &'a str {
        self.username_key
    }

    /// Whether this is the profile of a user with an e-mail that is not `email`. Its key may be missing: while users
    /// exchange e-mails, no user has them.
    fn has_other_email(&self, email: &str) -> bool {
        self.value(Field::Email).is_some_and(|own| fold_email(own) != fold_email(email))
    }

    /// The folded e-mail.
    pub fn email_key(&self) -> Option<&'a str> {
        self.email_key
    }

    /// The hash of the password of a new user.
    pub fn password_hash(&self) -> Option<&'a str> {
        self.password_hash
    }

    /// The attributes as a JSON object; `None` if there are none.
    pub fn attributes_json(&self) -> Option<String> {
        if self.attributes.is_empty() {
            return None;
        }
        Some(serde_json::to_string(&self.attributes).expect("a map of strings can be written as JSON"))
    }

    /// The number of attributes and their size in bytes.
    fn attribute_size(&self) -> (usize, usize) {
        (self.attributes.len(), self.attributes.iter().map(|(title, value)| title.len() + value.len()).sum())
    }

    /// Merges the values of a row into the profile. Returns what changed.
    pub fn merge(&mut self, row: CheckedRow<'a>) -> Change {
        let mut change = Change::default();
        for spec in &FIELDS {
            let value = &mut self.values[spec.field.index()];
            let new = match row.cell(spec.field) {
                Cell::Keep => continue,
                Cell::Clear => None,
                Cell::Set(text) => Some(text),
            };
            match (spec.field, *value, new) {
                (Field::BlockedReason, None, Some(_)) => change.blocked = true,
                (Field::BlockedReason, Some(_), None) => change.unblocked = true,
                (_, before, after) => change.profile |= before != after,
            }
            *value = new;
        }
        self.username_key = row.username_key().unwrap_or(self.username_key);
        self.email_key = row.email_key().or(self.email_key);
        for (title, cell) in row.attributes() {
            change.profile |= match cell {
                Cell::Keep => false,
                Cell::Clear => self.attributes.remove(title).is_some(),
                Cell::Set(text) => {
                    self.attributes.insert(Cow::Borrowed(title), Cow::Borrowed(text)).as_deref() != Some(text)
                }
            };
        }
        change
    }
}

/// A user as stored in the database.
#[derive(Clone, Debug)]
pub struct StoredUser<'a> {
    /// The id of the user.
    pub id: i64,
    /// The job and line that last wrote it.
    pub version: Version,
    /// Its values.
    pub profile: Profile<'a>,
}

impl StoredUser<'_> {
    /// Whether this is the user that the key of the row identifies.
    pub(crate) fn has_key_of(&self, row: &CheckedRow<'_>) -> bool {
        match row.identity() {
            Identity::Username => self.profile.username_key() == row.key(),
            Identity::Uid => self.profile.value(Field::Uid) == Some(row.key()),
        }
    }
}

/// The result of merging the rows of one user.
#[derive(Clone, Debug)]
pub struct MergedRows<'a> {
    /// The profile after the last row.
    pub profile: Profile<'a>,
    /// The line of the last row that changed the profile; `None` if no row did.
    pub written_by: Option<u64>,
    /// The outcomes of the rows.
    pub counts: Counts,
    /// Whether a row added attributes beyond [`MAX_ATTRIBUTES`] or [`MAX_ATTRIBUTE_BYTES`]. Such a row must fail.
    pub has_too_many_attributes: bool,
    /// Warnings about the rows; all of them are in `counts`.
    pub warnings: Vec<Warning>,
}

/// Merges the rows that a job has for one user, in line order, into the stored user; `None` if the user is new.
pub fn merge_rows<'a>(
    job: JobId,
    stored: Option<&StoredUser<'a>>,
    rows: impl IntoIterator<Item = CheckedRow<'a>>,
) -> MergedRows<'a> {
    let mut exists = stored.is_some();
    let mut is_from_job = stored.is_some_and(|user| user.version.job == job.0);
    let mut merged = MergedRows {
        profile: stored.map_or_else(Profile::default, |user| user.profile.clone()),
        written_by: None,
        counts: Counts::default(),
        has_too_many_attributes: false,
        warnings: Vec::new(),
    };
    for row in rows {
        let email = merged.profile.value(Field::Email).filter(|_| is_from_job);
        let change = merge_row(&mut merged, row);
        let outcome = match (exists, change.profile) {
            (false, _) => &mut merged.counts.created,
            (true, true) => &mut merged.counts.updated,
            (true, false) => &mut merged.counts.unchanged,
        };
        *outcome += 1;
        if exists {
            merged.counts.blocked += u64::from(change.blocked);
            merged.counts.unblocked += u64::from(change.unblocked);
        } else {
            merged.profile.password_hash = row.password_hash();
        }
        if email.is_some_and(|email| merged.profile.has_other_email(email)) {
            merged.warn_of_email_change(&row);
        }
        if change.any() || !exists {
            merged.written_by = Some(row.line());
            is_from_job = true;
        }
        exists = true;
    }
    merged
}

impl MergedRows<'_> {
    /// Adds the warning that this row changes an e-mail which an earlier row of the same file has set.
    fn warn_of_email_change(&mut self, row: &CheckedRow<'_>) {
        self.counts.warnings += 1;
        self.warnings.push(Warning {
            line: row.line(),
            row: row.row(),
            column: row.field_name(Field::Email).to_owned(),
            code: WarningCode::EmailChanged,
        });
    }
}

fn merge_row<'a>(merged: &mut MergedRows<'a>, row: CheckedRow<'a>) -> Change {
    // Most files have no attributes; then nothing needs to be measured.
    if row.attributes().next().is_none() {
        return merged.profile.merge(row);
    }
    let before = merged.profile.attribute_size();
    let change = merged.profile.merge(row);
    let after = merged.profile.attribute_size();
    // A user who is beyond a limit already, from an earlier version of Muster, may still be changed.
    merged.has_too_many_attributes |=
        (after.0 > MAX_ATTRIBUTES.max(before.0)) || (after.1 > MAX_ATTRIBUTE_BYTES.max(before.1));
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Header;
    use crate::scanner::RecordLimits;
    use crate::{CheckedBatch, Handling, spigit};

    fn batch(titles: &str, records: &str) -> CheckedBatch {
        let header = Header::parse(titles.split(',').map(str::as_bytes)).unwrap();
        spigit::check_text(&header, Handling::Strict, RecordLimits::default(), 2, records.as_bytes())
    }

    #[test]
    fn the_rows_of_one_user_are_merged_in_line_order() {
        let batch = batch("EMAIL,USERNAME,FIRST_NM,LAST_NM,badge", "a@b,u,f,l,1\na@b,u,f,l,1\na@b,U,f,l,2\n");
        let merged = merge_rows(JobId(1), None, batch.rows());
        assert_eq!(merged.counts, Counts { created: 1, updated: 1, unchanged: 1, ..Counts::default() });
        assert_eq!(merged.written_by, Some(4));
        assert_eq!(merged.profile.value(Field::Username), Some("U"));
        assert_eq!(merged.profile.attributes_json().as_deref(), Some(r#"{"badge":"2"}"#));
    }

    #[test]
    fn absent_columns_are_kept_and_empty_values_are_cleared() {
        let mut values = [None; FIELD_COUNT];
        for (field, value) in
            [(Field::Email, "a@b"), (Field::Username, "u"), (Field::FirstName, "f"), (Field::LastName, "l")]
        {
            values[field.index()] = Some(value);
        }
        values[Field::WorkCity.index()] = Some("Rome");
        values[Field::CompanyId.index()] = Some("SPG");
        let profile =
            Profile::from_stored(Box::new(values), "u", Some("a@b"), Some(r#"{"badge":"1","desk":"9"}"#)).unwrap();
        let stored = StoredUser { id: 1, version: Version { job: 1, line: 2 }, profile };

        let same = batch("EMAIL,USERNAME,FIRST_NM,LAST_NM", "a@b,u,f,l\n");
        let merged = merge_rows(JobId(2), Some(&stored), same.rows());
        assert_eq!(merged.counts.unchanged, 1);
        assert_eq!(merged.written_by, None);

        let cleared = batch("EMAIL,USERNAME,FIRST_NM,LAST_NM,WORK_CITY,badge", "a@b,u,f,l,,\n");
        let merged = merge_rows(JobId(2), Some(&stored), cleared.rows());
        assert_eq!(merged.counts.updated, 1);
        assert_eq!(merged.profile.value(Field::WorkCity), None);
        assert_eq!(merged.profile.value(Field::CompanyId), Some("SPG"));
        assert_eq!(merged.profile.attributes_json().as_deref(), Some(r#"{"desk":"9"}"#));
    }
}
