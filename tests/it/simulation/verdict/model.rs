//! A single-threaded model of imports over plain maps, which uses no code of the product.

use std::collections::BTreeMap;

use crate::simulation::files::{File, Kind, Row};

/// A user: columns by name, and attributes by title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) columns: BTreeMap<&'static str, String>,
    pub(crate) attributes: BTreeMap<&'static str, String>,
}

/// The expected result of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobResult {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) warnings: u64,
    /// The lines that failed, each with its code.
    pub(crate) rejections: Vec<(u64, &'static str)>,
}

impl JobResult {
    pub(crate) fn rows(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.rejections.len() as u64
    }

    /// The final state of a job that was not canceled.
    pub(crate) fn state(&self, file: &File) -> &'static str {
        let failed = self.rejections.len() as u64;
        let all_rows_failed = failed > 0 && failed == self.rows();
        if file.unclosed_quote_line.is_some() || all_rows_failed { "FAILED" } else { "SUCCESS" }
    }
}

/// The users of one tenant, by folded user name.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) users: BTreeMap<String, User>,
}

impl Model {
    /// Applies those rows of a file for which `is_applied` returns true.
    pub(crate) fn run(&mut self, file: &File, is_applied: impl Fn(&Row) -> bool) -> JobResult {
        let mut result = JobResult::default();
        for row in file.rows.iter().filter(|row| is_applied(row)) {
            let checked = check(file, row);
            result.warnings += checked.as_ref().map_or(0, |checked| checked.warnings);
            match checked.and_then(|checked| self.reject_contested_email(checked)) {
                Err(code) => result.rejections.push((row.line, code)),
                Ok(checked) => self.write(&checked, &mut result),
            }
        }
        result
    }

    fn reject_contested_email(&self, checked: Checked) -> Result<Checked, &'static str> {
        let email = checked.text("email").to_lowercase();
        let held =
            self.users.iter().any(|(key, user)| *key != checked.key() && user.columns["email"].to_lowercase() == email);
        if held { Err("conflict_email") } else { Ok(checked) }
    }

    fn write(&mut self, checked: &Checked, result: &mut JobResult) {
        let key = checked.key();
        let before = self.users.get(&key).cloned();
        let mut user = before.clone().unwrap_or_default();
        for (column, title, value) in &checked.values {
            let (map, name) = match column {
                Some(column) => (&mut user.columns, *column),
                None => (&mut user.attributes, *title),
            };
            match value {
                Some(value) => map.insert(name, value.clone()),
                None => map.remove(name),
            };
        }
        match before {
            None => result.created += 1,
            Some(before) if before == user => result.unchanged += 1,
            Some(_) => result.updated += 1,
        }
        self.users.insert(key, user);
    }
}

/// A row that passed the checks.
struct Checked {
    /// Column, title and value of each cell that has an effect. `None` as the value clears it.
    values: Vec<(Option<&'static str>, &'static str, Option<String>)>,
    warnings: u64,
}

impl Checked {
    fn text(&self, column: &str) -> &str {
        let found = self.values.iter().find(|(name, ..)| *name == Some(column));
        found.and_then(|(_, _, value)| value.as_deref()).unwrap()
    }

    fn key(&self) -> String {
        self.text("username").to_lowercase()
    }
}

fn check(file: &File, row: &Row) -> Result<Checked, &'static str> {
    if row.misplaced_quote {
        return Err("quote_misplaced");
    }
    let (expected, found) = (file.titles.len(), row.cells.len());
    if found > expected || (found < expected && !file.lenient) {
        return Err("column_count");
    }
    let mut checked = Checked { values: Vec::new(), warnings: 0 };
    for (position, title) in file.titles.iter().enumerate() {
        let cell = row.cells.get(position).map_or("", |cell| cell.trim());
        let value = match title.kind {
            Kind::Required | Kind::Email if cell.is_empty() => return Err("value_empty"),
            Kind::Email if !cell.contains('@') => return Err("email_invalid"),
            _ if cell.is_empty() => None,
            Kind::Required | Kind::Email | Kind::Optional => Some(cell),
            Kind::Date => match cell {
                "1/20/2019" => Some("2019-01-20"),
                "02/03/2020" => Some("2020-02-03"),
                _ if file.lenient => {
                    checked.warnings += 1;
                    continue;
                }
                _ => return Err("date_invalid"),
            },
        };
        checked.values.push((title.column, title.text, value.map(str::to_owned)));
    }
    Ok(checked)
}
