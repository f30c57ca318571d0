//! Users as they are read back, and where a lookup has their columns.

use muster_domain::field::{FIELD_COUNT, FIELDS};
use muster_ports::UserRecord;

use crate::row::{SqlRow, Unreadable};

/// The row of `find_user.sql`.
pub fn user(row: &impl SqlRow) -> Result<UserRecord, Unreadable> {
    let mut values = std::collections::BTreeMap::new();
    for field in &FIELDS {
        if let Some(value) = row.optional_text(field.column)? {
            values.insert(field.column, value);
        }
    }
    Ok(UserRecord {
        id: row.number("id")?,
        values,
        attributes: row.optional_text("attributes")?,
        created_ms: row.number("created_ms")?,
        updated_ms: row.number("updated_ms")?,
    })
}

/// The positions of the columns of users in the result of a lookup. Finding a column by name is slow, so it is
/// done once per result, not once per row.
#[derive(Clone, Copy, Debug)]
pub struct UserColumns {
    /// `id`.
    pub id: usize,
    /// `version_job`.
    pub version_job: usize,
    /// `version_line`.
    pub version_line: usize,
    /// `username_key`.
    pub username_key: usize,
    /// `email_key`.
    pub email_key: usize,
    /// `attributes`.
    pub attributes: usize,
    /// The columns of the fields; `None` for those that the lookup leaves out.
    pub fields: [Option<usize>; FIELD_COUNT],
}

impl UserColumns {
    /// Finds the columns. `position` returns where a column is, or `None` if the result does not have it.
    pub fn find(position: impl Fn(&str) -> Option<usize>) -> Result<Self, Unreadable> {
        let required = |name: &'static str| position(name).ok_or(Unreadable(name));
        let mut fields = [None; FIELD_COUNT];
        for (field, found) in FIELDS.iter().zip(&mut fields) {
            *found = position(field.column);
        }
        Ok(Self {
            id: required("id")?,
            version_job: required("version_job")?,
            version_line: required("version_line")?,
            username_key: required("username_key")?,
            email_key: required("email_key")?,
            attributes: required("attributes")?,
            fields,
        })
    }
}
