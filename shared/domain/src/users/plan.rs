//! Turns the checked rows of a batch into writes.
//!
//! Most users of a batch are independent of each other and are written in bulk. The others are *contested*: users
//! whose e-mail or login is held by another user or claimed by another row, and users who hold such a value; also users
//! who would get too many attributes. Their
//! rows are applied row by row, in line order, after the bulk writes. A conflict then fails only one row, and an
//! e-mail can pass from one user to another within a batch, as in a single-threaded run.

use std::collections::{HashMap, HashSet};

use crate::batch::{CheckedBatch, CheckedRow};
use crate::counts::Counts;
use crate::decision::RowKeys;
use crate::digest::RowDigest;
use crate::ids::JobId;
use crate::profile::{MergedRows, StoredUser, Version, merge_rows};
use crate::shape::Identity;
use crate::waiting::WaitingClaims;

/// The stored users that a batch concerns.
#[derive(Debug, Default)]
pub struct Existing<'a> {
    /// The users of the rows, by key.
    pub users: HashMap<&'a str, StoredUser<'a>>,
    /// The ids of the users that [`find_unchanged`] found, by key.
    pub unchanged: HashMap<&'a str, i64>,
    /// The ids of the users who hold the e-mails that rows claim, by folded e-mail.
    pub email_holders: HashMap<&'a str, i64>,
    /// The ids of the users who hold the logins that rows claim, by folded login. Empty if the login is the key.
    pub login_holders: HashMap<&'a str, i64>,
}

impl Existing<'_> {
    fn id_of(&self, key: &str) -> Option<i64> {
        self.users.get(key).map(|user| user.id).or_else(|| self.unchanged.get(key).copied())
    }

    fn has(&self, key: &str) -> bool {
        self.users.contains_key(key) || self.unchanged.contains_key(key)
    }
}

/// A stored user of whom only the id and the digest were read.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The id of the user.
    pub id: i64,
    /// The digest of the row that last wrote it; `None` if the digest is no longer valid.
    pub digest: Option<RowDigest>,
}

/// Finds the users whose only row in the batch has the digest of the row that last wrote them. Such a row changes
/// nothing, whatever else is stored for the user. Returns the ids of these users, by key.
pub fn find_unchanged(batch: &CheckedBatch, known: impl Fn(&str) -> Option<Known>) -> HashMap<&str, i64> {
    let mut unchanged = HashMap::new();
    let mut seen = HashSet::with_capacity(batch.rows().len());
    for row in batch.rows() {
        let Some(user) = known(row.key()) else { continue };
        if !seen.insert(row.key()) {
            unchanged.remove(row.key());
        } else if user.digest.is_some_and(|digest| digest == RowDigest::compute(&row)) {
            unchanged.insert(row.key(), user.id);
        }
    }
    unchanged
}

/// The write of one user.
#[derive(Debug)]
pub struct Write<'a> {
    /// The key of the user.
    pub key: &'a str,
    /// The new profile and the outcomes of its rows.
    pub merged: MergedRows<'a>,
    /// The line of the new version.
    pub line: u64,
    /// The rows of the user, in line order.
    pub rows: Vec<CheckedRow<'a>>,
}

impl Write<'_> {
    /// The digest of the last row, which would change nothing if it were applied again.
    pub fn digest(&self) -> RowDigest {
        RowDigest::compute(self.rows.last().expect("a write has at least one row"))
    }
}

/// The writes of a batch.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// New users.
    pub inserts: Vec<Write<'a>>,
    /// Changed users, each with the stored user.
    pub updates: Vec<(&'a StoredUser<'a>, Write<'a>)>,
    /// The outcomes of the rows that need no write.
    pub unchanged: Counts,
    /// The number of users who failed the version check: their stored version is not older than the row. They are
    /// not written; a number above 0 indicates a bug.
    pub outdated: u64,
    /// The rows of contested users, in line order.
    pub contested: Vec<CheckedRow<'a>>,
}

/// The rows of one user.
struct Group<'a> {
    key: &'a str,
    rows: Vec<CheckedRow<'a>>,
    contested: bool,
}

/// Plans the writes of a batch of this job.
pub fn plan<'a>(job: JobId, batch: &'a CheckedBatch, existing: &'a Existing<'a>, waiting: &WaitingClaims) -> Plan<'a> {
    let mut groups = group_by_user(batch);
    mark_contested(&mut groups, existing);
    if !waiting.is_empty() {
        for group in &mut groups {
            group.contested |= group.rows.iter().any(|row| waiting.concerns(row));
        }
    }
    plan_groups(job, groups, existing)
}

/// Plans the writes of rows that [`hand_over`](crate::hand_over) has decided to apply: nobody contests them. Only users
/// that are adopted by their login are written row by row.
pub fn plan_decided<'a>(job: JobId, batch: &'a CheckedBatch, existing: &'a Existing<'a>) -> Plan<'a> {
    let mut groups = group_by_user(batch);
    for group in &mut groups {
        let adopts = |row: &CheckedRow<'_>| {
            RowKeys::new(row).login.is_some_and(|login| existing.login_holders.contains_key(login))
        };
        group.contested = !existing.has(group.key) && group.rows.iter().any(adopts);
    }
    plan_groups(job, groups, existing)
}

fn plan_groups<'a>(job: JobId, groups: Vec<Group<'a>>, existing: &'a Existing<'a>) -> Plan<'a> {
    // Writes are large, so their lists do not grow step by step.
    let known = existing.users.len() + existing.unchanged.len();
    let inserts = Vec::with_capacity(groups.len().saturating_sub(known));
    let mut plan = Plan { inserts, updates: Vec::with_capacity(existing.users.len()), ..Plan::default() };
    for group in groups {
        if group.contested {
            plan.contested.extend(group.rows);
            continue;
        }
        if existing.unchanged.contains_key(group.key) {
            plan.unchanged.unchanged += 1;
            continue;
        }
        let stored = existing.users.get(group.key);
        let merged = merge_rows(job, stored, group.rows.iter().copied());
        if merged.has_too_many_attributes {
            plan.contested.extend(group.rows);
            continue;
        }
        let Some(line) = merged.written_by else {
            plan.unchanged.add(&merged.counts);
            continue;
        };
        if stored.is_some_and(|user| user.version >= Version::new(job, line)) {
            plan.outdated += 1;
            plan.unchanged.unchanged += merged.counts.rows();
            continue;
        }
        let write = Write { key: group.key, merged, line, rows: group.rows };
        match stored {
            Some(user) => plan.updates.push((user, write)),
            None => plan.inserts.push(write),
        }
    }
    plan.contested.sort_unstable_by_key(CheckedRow::line);
    plan
}

fn group_by_user(batch: &CheckedBatch) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::with_capacity(batch.rows().len());
    let mut by_key = HashMap::with_capacity(batch.rows().len());
    for row in batch.rows() {
        let index = *by_key.entry(row.key()).or_insert_with(|| {
            groups.push(Group { key: row.key(), rows: Vec::with_capacity(1), contested: false });
            groups.len() - 1
        });
        groups[index].rows.push(row);
    }
    groups
}

fn mark_contested(groups: &mut [Group<'_>], existing: &Existing<'_>) {
    let mut contested = contested_claims(groups, existing, &existing.email_holders, CheckedRow::email_key);
    // A login that is the key cannot be claimed by two groups.
    if groups.first().is_some_and(|group| group.rows[0].identity() == Identity::Uid) {
        let logins = &existing.login_holders;
        contested.extend(contested_claims(groups, existing, logins, CheckedRow::username_key));
        contested.extend(incomplete_users(groups, existing));
    }
    contested.extend(changing_users(groups));
    for index in contested {
        groups[index].contested = true;
    }
}

/// The groups that claim a value which another user holds or another group claims, and the groups of its holders.
fn contested_claims<'a>(
    groups: &[Group<'a>],
    existing: &Existing<'_>,
    holders: &HashMap<&str, i64>,
    claim: impl Fn(&CheckedRow<'a>) -> Option<&'a str>,
) -> Vec<usize> {
    let mut claims: HashMap<&str, usize> = HashMap::with_capacity(groups.len());
    let (mut contested, mut blocking_holders) = (Vec::new(), HashSet::new());
    for (index, group) in groups.iter().enumerate() {
        let own = existing.id_of(group.key);
        for value in group.rows.iter().filter_map(&claim) {
            let claimed_by = *claims.entry(value).or_insert(index);
            if claimed_by != index {
                contested.extend([claimed_by, index]);
            }
            if let Some(holder) = holders.get(value).filter(|holder| Some(**holder) != own) {
                contested.push(index);
                blocking_holders.insert(*holder);
            }
        }
    }
    // This visits every group, and few batches need it.
    if !blocking_holders.is_empty() {
        let holds = |group: &Group<'_>| existing.id_of(group.key).is_some_and(|id| blocking_holders.contains(&id));
        contested.extend(groups.iter().enumerate().filter(|(_, group)| holds(group)).map(|(index, _)| index));
    }
    contested
}

/// The groups of new users whose first row lacks a required field. That row fails, and the next row may create the
/// user.
fn incomplete_users(groups: &[Group<'_>], existing: &Existing<'_>) -> Vec<usize> {
    let is_incomplete = |group: &Group<'_>| !existing.has(group.key) && group.rows[0].unset_required_field().is_some();
    groups.iter().enumerate().filter(|(_, group)| is_incomplete(group)).map(|(index, _)| index).collect()
}

/// The groups whose rows set different e-mails or logins. Merged, they would want only the last ones.
fn changing_users(groups: &[Group<'_>]) -> Vec<usize> {
    fn differ<'a>(mut values: impl Iterator<Item = &'a str>) -> bool {
        values.next().is_some_and(|first| values.any(|value| value != first))
    }
    let changes = |group: &Group<'_>| {
        group.rows.len() > 1
            && (differ(group.rows.iter().filter_map(CheckedRow::email_key))
                || differ(group.rows.iter().filter_map(CheckedRow::username_key)))
    };
    groups.iter().enumerate().filter(|(_, group)| changes(group)).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::FIELD_COUNT;
    use crate::header::Header;
    use crate::profile::{Profile, Version};
    use crate::scanner::RecordLimits;
    use crate::{Field, Handling, spigit};

    fn batch(records: &str) -> CheckedBatch {
        let titles = ["EMAIL", "USERNAME", "FIRST_NM", "LAST_NM"];
        let header = Header::parse(titles.map(str::as_bytes)).unwrap();
        spigit::check_text(&header, Handling::Strict, RecordLimits::default(), 2, records.as_bytes())
    }

    fn stored<'a>(users: &[(&'a str, &'a str)]) -> Existing<'a> {
        let mut existing = Existing::default();
        for (id, (name, email)) in users.iter().copied().enumerate() {
            let mut values = [None; FIELD_COUNT];
            values[Field::Username.index()] = Some(name);
            values[Field::Email.index()] = Some(email);
            values[Field::FirstName.index()] = Some("f");
            values[Field::LastName.index()] = Some("l");
            let profile = Profile::from_stored(Box::new(values), name, Some(email), None).unwrap();
            let id = i64::try_from(id).unwrap();
            existing.users.insert(name, StoredUser { id, version: Version { job: 1, line: 2 }, profile });
            existing.email_holders.insert(email, id);
        }
        existing
    }

    /// (inserted keys, updated keys, unchanged rows, lines applied row by row)
    fn summary(existing: &Existing<'_>, records: &str) -> (Vec<String>, Vec<String>, u64, Vec<u64>) {
        let batch = batch(records);
        let plan = plan(JobId(2), &batch, existing, &WaitingClaims::default());
        (
            plan.inserts.iter().map(|write| write.key.to_owned()).collect(),
            plan.updates.iter().map(|(_, write)| write.key.to_owned()).collect(),
            plan.unchanged.rows(),
            plan.contested.iter().map(CheckedRow::line).collect(),
        )
    }

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn new_users_are_inserted_changed_users_updated_and_unchanged_users_skipped() {
        let existing = stored(&[("a", "a@x"), ("b", "b@x")]);
        let found = summary(&existing, "a@x,a,f,l\nb@x,b,F,l\nc@x,c,f,l\nc@x,c,g,l\n");
        assert_eq!(found, (keys(&["c"]), keys(&["b"]), 1, vec![]));
    }

    #[test]
    fn a_user_who_claims_the_email_of_another_is_contested() {
        let existing = stored(&[("a", "a@x")]);
        assert_eq!(summary(&existing, "a@x,new,f,l\nc@x,c,f,l\n"), (keys(&["c"]), vec![], 0, vec![2]));
    }

    #[test]
    fn an_email_passes_from_one_user_to_another_row_by_row_in_line_order() {
        let existing = stored(&[("a", "a@x"), ("b", "b@x")]);
        let found = summary(&existing, "z@x,a,f,l\na@x,b,f,l\nq@x,q,f,l\n");
        assert_eq!(found, (keys(&["q"]), vec![], 0, vec![2, 3]));
    }

    #[test]
    fn a_row_older_than_the_stored_version_is_not_written() {
        let mut existing = stored(&[("a", "a@x")]);
        existing.users.get_mut("a").unwrap().version = Version { job: 9, line: 2 };
        let batch = batch("a@x,a,F,l\n");
        let plan = plan(JobId(2), &batch, &existing, &WaitingClaims::default());
        assert_eq!((plan.outdated, plan.updates.len(), plan.unchanged.unchanged), (1, 0, 1));
    }

    #[test]
    fn two_new_users_with_the_same_email_are_contested() {
        let existing = Existing::default();
        let found = summary(&existing, "same@x,a,f,l\nok@x,k,f,l\nSAME@x,b,f,l\n");
        assert_eq!(found, (keys(&["k"]), vec![], 0, vec![2, 4]));
    }
}
