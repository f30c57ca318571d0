//! A single-threaded model of imports over plain maps, which uses no code of the product.

use std::collections::{BTreeMap, BTreeSet};

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
    /// The keys of the users that the job has written.
    written: BTreeSet<String>,
    /// The lines that failed, each with its code.
    pub(crate) rejections: Vec<(u64, &'static str)>,
}

impl JobResult {
    pub(crate) fn rows(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.rejections.len() as u64
    }

    /// The final state of a job that was not canceled.
    pub(crate) fn state(&self) -> &'static str {
        let failed = self.rejections.len() as u64;
        let all_rows_failed = failed > 0 && failed == self.rows();
        if all_rows_failed { "FAILED" } else { "SUCCESS" }
    }
}

/// The users of one tenant, by uid (Collaborator) or folded user name (Spigit).
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) users: BTreeMap<String, User>,
}

/// The code of a row that wants what another user has, whatever that is.
pub(crate) const CONFLICT: &str = "conflict";

/// A column and a value that no two users may have.
type Claim = (&'static str, String);

/// A row that passed its checks.
struct Good {
    line: u64,
    checked: Checked,
}

impl Model {
    /// Runs those rows of a file for which `is_applied` returns true, and decides about them together, by the literal
    /// rules: who gets an e-mail that several want, or that another user gives up.
    pub(crate) fn run(&mut self, file: &File, is_applied: impl Fn(&Row) -> bool) -> JobResult {
        let mut result = JobResult::default();
        let mut undecided = check_rows(file, file.rows.iter().filter(|row| is_applied(row)), &mut result);
        while !undecided.is_empty() {
            let turns = turns(&undecided);
            let free = turns.iter().find(|turn| self.is_free(&undecided, **turn));
            let taken = turns.iter().find(|turn| self.is_taken(&undecided, **turn));
            if let Some(turn) = free {
                let good = undecided.remove(*turn);
                self.write(&good.checked, &mut result);
            } else if let Some(turn) = taken {
                result.rejections.push((undecided.remove(*turn).line, CONFLICT));
            } else if let Some(ring) = self.first_ring(&undecided, &turns) {
                for turn in ring.into_iter().rev() {
                    let good = undecided.remove(turn);
                    self.write(&good.checked, &mut result);
                }
            } else {
                for turn in turns.into_iter().rev() {
                    result.rejections.push((undecided.remove(turn).line, CONFLICT));
                }
            }
        }
        result.rejections.sort_unstable();
        result
    }

    /// Runs the rows of the batches of a canceled job, in the order in which the batches were applied. Rows that wait are
    /// dropped.
    pub(crate) fn run_canceled(&mut self, file: &File, batches: &[(u64, u64)]) -> JobResult {
        let mut result = JobResult::default();
        let mut waiting: Vec<Good> = Vec::new();
        for (first, end) in batches {
            let rows = file.rows.iter().filter(|row| (*first..*end).contains(&row.offset));
            for good in check_rows(file, rows, &mut result) {
                let user_waits = waiting.iter().any(|other| other.checked.key() == good.checked.key());
                let is_unavailable = |claim: &Claim| {
                    waiting.iter().any(|other| other.checked.claims().contains(claim)) || self.holder(claim).is_some()
                };
                if user_waits || self.wants(&good).iter().any(is_unavailable) {
                    waiting.push(good);
                } else {
                    self.write(&good.checked, &mut result);
                }
            }
        }
        result.rejections.sort_unstable();
        result
    }

    /// The user who has a value.
    fn holder(&self, (column, value): &Claim) -> Option<&String> {
        self.users.iter().find(|(_, user)| user.columns[column].to_lowercase() == *value).map(|(key, _)| key)
    }

    /// The values that a row sets and its user does not have.
    fn wants(&self, good: &Good) -> Vec<Claim> {
        let is_other = |claim: &Claim| self.holder(claim).is_none_or(|key| *key != good.checked.key());
        good.checked.claims().into_iter().filter(is_other).collect()
    }

    fn is_free(&self, undecided: &[Good], turn: usize) -> bool {
        let is_claimed = |claim: &Claim| undecided[..turn].iter().any(|other| other.checked.claims().contains(claim));
        let wants = self.wants(&undecided[turn]);
        wants.iter().all(|claim| self.holder(claim).is_none() && !is_claimed(claim))
    }

    fn is_taken(&self, undecided: &[Good], turn: usize) -> bool {
        let is_settled = |key: &String| !undecided.iter().any(|other| other.checked.key() == *key);
        self.wants(&undecided[turn]).iter().any(|claim| self.holder(claim).is_some_and(is_settled))
    }

    /// The ring with the earliest line: the smallest set of rows that want only what is free or what another row of the
    /// set gives up, and no two the same.
    fn first_ring(&self, undecided: &[Good], turns: &[usize]) -> Option<Vec<usize>> {
        let closure = |start: usize| {
            let mut set = BTreeSet::from([start]);
            let mut unseen = vec![start];
            while let Some(turn) = unseen.pop() {
                for giver in self.givers(undecided, turns, turn)? {
                    if set.insert(giver) {
                        unseen.push(giver);
                    }
                }
            }
            Some(set)
        };
        turns.iter().find_map(|start| {
            let ring = closure(*start)?;
            let wanted: Vec<Claim> = ring.iter().flat_map(|turn| self.wants(&undecided[*turn])).collect();
            let distinct: BTreeSet<&Claim> = wanted.iter().collect();
            let is_smallest = ring.iter().all(|turn| closure(*turn).as_ref() == Some(&ring));
            let is_ring = ring.len() > 1 && is_smallest && distinct.len() == wanted.len();
            is_ring.then(|| ring.into_iter().collect())
        })
    }

    /// The rows that have to give up a value for a row; `None` if something that it wants is not given up.
    fn givers(&self, undecided: &[Good], turns: &[usize], turn: usize) -> Option<Vec<usize>> {
        let mut givers = Vec::new();
        for claim in self.wants(&undecided[turn]) {
            let Some(holder) = self.holder(&claim) else { continue };
            let giver = turns.iter().copied().find(|other| undecided[*other].checked.key() == *holder)?;
            if undecided[giver].checked.claims().contains(&claim) {
                return None;
            }
            givers.push(giver);
        }
        Some(givers)
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
            Some(before) if before == user => {
                result.unchanged += 1;
                return;
            }
            Some(before) => {
                result.updated += 1;
                let email = |user: &User| user.columns.get("email").map(|email| email.to_lowercase());
                let is_changed = email(&before).is_some() && email(&before) != email(&user);
                result.warnings += u64::from(is_changed && result.written.contains(&key));
            }
        }
        result.written.insert(key.clone());
        self.users.insert(key, user);
    }
}

/// The values of a row that passed the checks.
struct Checked {
    /// Column, title and value of each cell that has an effect. `None` as the value clears it.
    values: Vec<(Option<&'static str>, &'static str, Option<String>)>,
    warnings: u64,
}

impl Checked {
    fn find(&self, column: &str) -> Option<&str> {
        let found = self.values.iter().find(|(name, ..)| *name == Some(column));
        found.and_then(|(_, _, value)| value.as_deref())
    }

    /// What identifies the user: the uid if there is one, or else the user name.
    fn key(&self) -> String {
        self.find("uid").map_or_else(|| self.find("username").unwrap().to_lowercase(), str::to_owned)
    }

    /// The values that no two users may have. The user name is one of them unless it identifies the user.
    fn claims(&self) -> Vec<Claim> {
        let columns: &[&str] = if self.find("uid").is_some() { &["username", "email"] } else { &["email"] };
        columns.iter().filter_map(|column| Some((*column, self.find(column)?.to_lowercase()))).collect()
    }
}

/// The rows that pass their checks. The others are rejected.
fn check_rows<'a>(file: &File, rows: impl Iterator<Item = &'a Row>, result: &mut JobResult) -> Vec<Good> {
    let mut good = Vec::new();
    for row in rows {
        match check(file, row) {
            Ok(checked) => {
                result.warnings += checked.warnings;
                good.push(Good { line: row.line, checked });
            }
            Err(code) => result.rejections.push((row.line, code)),
        }
    }
    good
}

/// The first row of each user.
fn turns(undecided: &[Good]) -> Vec<usize> {
    let is_first =
        |index: &usize| !undecided[..*index].iter().any(|other| other.checked.key() == undecided[*index].checked.key());
    (0..undecided.len()).filter(is_first).collect()
}

fn check(file: &File, row: &Row) -> Result<Checked, &'static str> {
    if let Some(code) = row.broken_quote {
        return Err(code);
    }
    let expected = file.titles.len();
    let found = row.cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
    let found = found.max(row.cells.len().min(expected));
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
