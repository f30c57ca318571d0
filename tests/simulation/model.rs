//! What a single thread would come to, over plain maps and without a line of the product.

use std::collections::BTreeMap;

use super::files::{File, Kind, Row};

/// A user: columns and attributes by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) columns: BTreeMap<&'static str, String>,
    pub(crate) attributes: BTreeMap<&'static str, String>,
}

/// What becomes of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Result {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) warnings: u64,
    /// The lines that failed, each with its code.
    pub(crate) rejections: Vec<(u64, &'static str)>,
}

impl Result {
    pub(crate) fn rows(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.rejections.len() as u64
    }

    /// The final state of a job that nobody stopped.
    pub(crate) fn state(&self, file: &File) -> &'static str {
        let failed = self.rejections.len() as u64;
        let no_row_good = failed > 0 && failed == self.rows();
        if file.unclosed.is_some() || no_row_good { "FAILED" } else { "SUCCESS" }
    }
}

/// The users of one tenant, by folded name.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) users: BTreeMap<String, User>,
}

impl Model {
    /// Runs a job over those of its rows that are `within` what was applied.
    pub(crate) fn run(&mut self, file: &File, within: impl Fn(&Row) -> bool) -> Result {
        let mut result = Result::default();
        for row in file.rows.iter().filter(|row| within(row)) {
            let checked = check(file, row);
            result.warnings += checked.as_ref().map_or(0, |checked| checked.warnings);
            match checked.and_then(|checked| self.refuse_claimed_email(checked)) {
                Err(code) => result.rejections.push((row.line, code)),
                Ok(checked) => self.write(&checked, &mut result),
            }
        }
        result
    }

    fn refuse_claimed_email(&self, checked: Checked) -> std::result::Result<Checked, &'static str> {
        let email = checked.text("email").to_lowercase();
        let held =
            self.users.iter().any(|(key, user)| *key != checked.key() && user.columns["email"].to_lowercase() == email);
        if held { Err("conflict_email") } else { Ok(checked) }
    }

    fn write(&mut self, checked: &Checked, result: &mut Result) {
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

/// A row that is good in itself.
struct Checked {
    /// Column, title and value of each cell that says something; no value clears.
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

fn check(file: &File, row: &Row) -> std::result::Result<Checked, &'static str> {
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
