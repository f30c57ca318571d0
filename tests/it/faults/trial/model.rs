//! A single-threaded model of an import, written from the documentation alone.

use std::collections::BTreeMap;

use super::files::File;
use crate::flow::expected::{RowCounts, no_rows};

/// Users by folded user name, each with its values by column name.
pub(crate) type Users = BTreeMap<String, BTreeMap<&'static str, String>>;

/// The outcomes of the rows of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    /// Line and code of each failed row.
    pub(crate) failed: Vec<(u64, String)>,
}

impl Outcomes {
    /// The outcomes as a status shows them.
    pub(crate) fn counts(&self) -> RowCounts {
        let failed = self.failed.len() as u64;
        no_rows().created(self.created).updated(self.updated).unchanged(self.unchanged).failed(failed)
    }
}

/// Applies a file row by row.
pub(crate) fn import(users: &mut Users, file: &File) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for (index, row) in file.rows.iter().enumerate() {
        let line = index as u64 + 2;
        if let Some(code) = rejection_code(file, row) {
            outcomes.failed.push((line, code.to_owned()));
            continue;
        }
        let key = row[1].to_lowercase();
        let before = users.get(&key).cloned();
        let mut user = before.clone().unwrap_or_default();
        for (title, cell) in file.titles.iter().zip(row) {
            if cell.is_empty() {
                user.remove(column(title));
            } else {
                user.insert(column(title), cell.clone());
            }
        }
        match before {
            None => outcomes.created += 1,
            Some(before) if before == user => outcomes.unchanged += 1,
            Some(_) => outcomes.updated += 1,
        }
        users.insert(key, user);
    }
    outcomes
}

fn rejection_code(file: &File, row: &[String]) -> Option<&'static str> {
    if row.len() != file.titles.len() {
        Some("column_count")
    } else if row[..4].iter().any(String::is_empty) {
        Some("value_empty")
    } else if !row[0].contains('@') {
        Some("email_invalid")
    } else {
        None
    }
}

/// The column in which a title is stored.
fn column(title: &str) -> &'static str {
    match title {
        "EMAIL" => "email",
        "USERNAME" => "username",
        "FIRST_NM" => "first_name",
        "LAST_NM" => "last_name",
        "WORK_CITY" => "work_city",
        "JOB_NM" => "job_nm",
        "badge" => "badge",
        _ => panic!("the model does not know the title {title}"),
    }
}
