//! Decides what happens to a row and how a job ends. All stores execute these decisions.
//!
//! A store finds users, executes a decision and reports what a unique index rejected. It decides nothing itself, so
//! that two stores give the same users, counts and rejections.

use crate::batch::{CheckedBatch, CheckedRow};
use crate::counts::Counts;
use crate::field::Field;
use crate::file::Dialect;
use crate::ids::{BatchNo, JobId};
use crate::job::JobState;
use crate::profile::{MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES, MergedRows, StoredUser, Version, merge_rows};
use crate::rejection::{Rejection, RejectionCode};
use crate::shape::Identity;

/// What to do with one row.
#[derive(Debug)]
pub enum RowDecision<'a> {
    /// The row fails.
    Reject(Rejection),
    /// The row needs no write; these are its counts.
    Unchanged(Counts),
    /// A later row has already written the user, which epochs and the order of jobs should make impossible: a bug.
    /// Nothing is written, and the row counts as unchanged.
    Outdated,
    /// The user is to be written with this profile, as this version. If the write succeeds, the row has the counts of
    /// `merged`. If a unique index rejects it, [`decide_conflict`] says why.
    Write {
        /// The new profile and the counts of the row.
        merged: MergedRows<'a>,
        /// The job and line of the row.
        version: Version,
    },
}

/// Decides about one row. `stored` is the user that [`RowKeys`] identify, or `None` if there is none.
pub fn decide_row<'a>(job: JobId, row: CheckedRow<'a>, stored: Option<&StoredUser<'a>>) -> RowDecision<'a> {
    if let (None, Some(rejection)) = (stored, reject_incomplete_row(&row)) {
        return RowDecision::Reject(rejection);
    }
    let merged = merge_rows(job, stored, [row]);
    if merged.has_too_many_attributes {
        let problem = format!(
            "the user would have more than {MAX_ATTRIBUTES} further values or {} KiB of them; clear some first",
            MAX_ATTRIBUTE_BYTES / 1024
        );
        return RowDecision::Reject(row.reject(None, RejectionCode::AttributesTooLarge, problem));
    }
    if merged.written_by.is_none() {
        return RowDecision::Unchanged(merged.counts);
    }
    let version = Version::new(job, row.line());
    if stored.is_some_and(|user| user.version >= version) {
        return RowDecision::Outdated;
    }
    RowDecision::Write { merged, version }
}

impl RowDecision<'_> {
    /// The counts of a row for which the decision is [`RowDecision::Outdated`].
    pub const OUTDATED_COUNTS: Counts =
        Counts { created: 0, updated: 0, unchanged: 1, failed: 0, warnings: 0, blocked: 0, unblocked: 0 };
}

/// How the user of a row is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKeys<'a> {
    /// The key that is looked up first: the folded user name (see [`crate::key`]) or the uid.
    pub key: &'a str,
    /// The folded user name that is looked up if no user has the key. A user found by it must be
    /// [adoptable](is_adoptable).
    pub login: Option<&'a str>,
}

impl<'a> RowKeys<'a> {
    /// The keys of a row. If no user has its uid, the row may adopt a user without a uid: the one with its login.
    pub fn new(row: &CheckedRow<'a>) -> Self {
        let login = match row.identity() {
            Identity::Username => None,
            Identity::Uid => row.username_key(),
        };
        Self { key: row.key(), login }
    }
}

/// Whether a user that was found by its login may get the uid of a row: only a user without a uid may.
pub fn is_adoptable(user: &StoredUser<'_>) -> bool {
    user.profile.value(Field::Uid).is_none()
}

/// Whether the next row is likely to be about a new user, given a row and its counts: then a store may try an insert
/// without a lookup. Never for rows with a uid, whose user may be one to adopt.
pub fn expects_new_user(row: &CheckedRow<'_>, counts: &Counts) -> bool {
    row.identity() == Identity::Username && counts.created > 0
}

/// The users who now have the user name and the e-mail of a row, by id. One of them may be the user of the row itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Holders {
    /// Who holds the user name.
    pub login: Option<i64>,
    /// Who holds the e-mail.
    pub email: Option<i64>,
}

/// Explains why a unique index rejected the write of a row; if both values are taken, by the user name. `own` is the id
/// of the row's user, `None` if the user is new. Returns `None` if no other user has either value any more: then users
/// have changed since the write, and it can be tried again.
pub fn decide_conflict(row: &CheckedRow<'_>, own: Option<i64>, holders: Holders) -> Option<Rejection> {
    let is_another = |holder: Option<i64>| holder.is_some() && holder != own;
    let (field, code) = if is_another(holders.login) {
        (Field::Username, RejectionCode::ConflictLogin)
    } else if is_another(holders.email) {
        (Field::Email, RejectionCode::ConflictEmail)
    } else {
        return None;
    };
    Some(reject_taken(row, field, code))
}

/// The rejection of a row that wants a value of another user.
pub(crate) fn reject_taken(row: &CheckedRow<'_>, field: Field, code: RejectionCode) -> Rejection {
    let name = row.field_name(field);
    row.reject(Some(name), code, format!("{name} belongs to another user"))
}

/// The rejection of a row that would create a user, if it lacks what a new user needs.
pub(crate) fn reject_incomplete_row(row: &CheckedRow<'_>) -> Option<Rejection> {
    let name = row.field_name(row.unset_required_field()?);
    Some(row.reject(Some(name), RejectionCode::ValueEmpty, format!("{name} is missing")))
}

/// The rejection of a row that passed every check of Muster, but whose write the database rejects.
pub fn reject_unwritable_row(row: &CheckedRow<'_>) -> Rejection {
    row.reject(None, RejectionCode::NotApplied, "the database rejected this row")
}

/// The keys of all users that the rows of a batch name, failed rows included.
pub fn named_keys(batch: &CheckedBatch) -> Vec<&str> {
    batch.rows().map(|row| row.key()).chain(batch.failed_keys()).collect()
}

/// Whether a batch of a job may be applied: the job is running and is not being stopped. `total_batches` is known once
/// the file is split; batches after the last one were published by an earlier split, which read more of the file.
pub fn accepts_batch(state: JobState, stopping: bool, total_batches: Option<u64>, batch: BatchNo) -> bool {
    state == JobState::Processing && !stopping && total_batches.is_none_or(|total| u64::from(batch.0) <= total)
}

/// What the ledger of a job, its table of applied batches, adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerSums {
    /// The number of applied batches.
    pub batches: u64,
    /// The outcomes of the rows of applied batches.
    pub counts: Counts,
    /// The bytes of the decoded file that applied batches cover.
    pub bytes: u64,
    /// Where in the decoded file the last applied batch ends.
    pub end_offset: u64,
    /// Whether the applied batches cover the file from its start without a gap.
    pub is_contiguous: bool,
    /// The number of failed rows whose key could not be read.
    pub rows_without_key: u64,
}

/// The result of splitting a job, and the setting that its end depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitSummary {
    /// The number of batches.
    pub batches: u64,
    /// The size of the decoded file, in bytes, as far as it could be read.
    pub bytes: u64,
    /// Whether the file became unreadable before its end.
    pub ends_early: bool,
    /// Whether users in no row of the file are to be blocked.
    pub blocks_missing_users: bool,
    /// The number of rows that wait for a decision.
    pub waiting_rows: u64,
    /// Whether it is decided which users are missing, and not all of them are blocked yet.
    pub missing_users_are_decided: bool,
    /// The dialect of the file.
    pub dialect: Dialect,
}

/// Whether the applied batches of a split job are those of the file: their number is right, and they leave no gap. If
/// not, the job stays open; the reconciler publishes what is missing.
pub fn covers_file(split: &SplitSummary, sums: &LedgerSums) -> bool {
    sums.batches == split.batches && (sums.batches == 0 || (sums.is_contiguous && sums.end_offset == split.bytes))
}

/// Whether the users whom no row names can be determined: the file was read to its end, some row did not fail, and every
/// row identified a user. `sums` include the decisions about waiting rows.
pub fn can_tell_missing(split: &SplitSummary, sums: &LedgerSums) -> bool {
    let some_row_was_applied = sums.counts.rows() > sums.counts.failed;
    split.blocks_missing_users && !split.ends_early && some_row_was_applied && sums.rows_without_key == 0
}

/// The maximum number of missing users that one file may block: `percent` or `always_allowed`, whichever allows more. A
/// setting of the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingGuard {
    /// A share of the active users with a uid, in percent.
    pub percent: u64,
    /// A number that is always allowed.
    pub always_allowed: u64,
}

/// What happened to the missing users of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingResult {
    /// How many were blocked.
    pub blocked: u64,
    /// How many were not blocked because the guard forbade it; `None` if it did not.
    pub kept: Option<u64>,
}

/// The number of missing users that are blocked in one transaction: a few seconds, so that a client can cancel the job.
pub const MISSING_USERS_PER_PIECE: u64 = 10_000;

/// What is to happen to the missing users of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingDecision {
    /// They are too many: none is blocked.
    Keep,
    /// All are blocked in the transaction that ends the job.
    BlockAtOnce,
    /// They are listed, and blocked in transactions of [`MISSING_USERS_PER_PIECE`] users.
    BlockInPieces,
}

impl MissingGuard {
    /// Decides about `missing` of `active` users.
    pub fn decide(&self, missing: u64, active: u64) -> MissingDecision {
        if missing > (active * self.percent / 100).max(self.always_allowed) {
            MissingDecision::Keep
        } else if missing <= MISSING_USERS_PER_PIECE {
            MissingDecision::BlockAtOnce
        } else {
            MissingDecision::BlockInPieces
        }
    }
}

/// The final state and counts of a job. `sums` include the decisions about waiting rows.
pub fn decide_final(split: &SplitSummary, sums: &LedgerSums, missing: MissingResult) -> (JobState, Counts) {
    let mut counts = sums.counts;
    counts.blocked += missing.blocked;
    (JobState::final_state(&counts, split.ends_early), counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{FIELD_COUNT, Field};
    use crate::file::Handling;
    use crate::header::Header;
    use crate::profile::Profile;
    use crate::scanner::RecordLimits;
    use crate::spigit;

    fn batch(records: &str) -> CheckedBatch {
        let titles = ["EMAIL", "USERNAME", "FIRST_NM", "LAST_NM"];
        let header = Header::parse(titles.map(str::as_bytes)).unwrap();
        spigit::check_text(&header, Handling::Strict, RecordLimits::default(), 2, records.as_bytes())
    }

    fn stored(version: Version) -> StoredUser<'static> {
        let mut values = [None; FIELD_COUNT];
        let fields = [(Field::Email, "a@x"), (Field::Username, "a"), (Field::FirstName, "f"), (Field::LastName, "l")];
        for (field, value) in fields {
            values[field.index()] = Some(value);
        }
        StoredUser { id: 7, version, profile: Profile::from_stored(Box::new(values), "a", Some("a@x"), None).unwrap() }
    }

    #[test]
    fn a_row_is_written_only_if_it_changes_a_user_and_is_newer() {
        let (same, changed) = (batch("a@x,a,f,l\n"), batch("a@x,a,F,l\n"));
        let old = stored(Version { job: 1, line: 2 });
        let newer = stored(Version { job: 9, line: 2 });
        let decide = |batch: &'static str, user: Option<&StoredUser<'_>>| match batch {
            "same" => decide_row(JobId(2), same.rows().next().unwrap(), user).kind(),
            _ => decide_row(JobId(2), changed.rows().next().unwrap(), user).kind(),
        };
        assert_eq!(decide("same", None), "write");
        assert_eq!(decide("same", Some(&old)), "unchanged");
        assert_eq!(decide("changed", Some(&old)), "write");
        assert_eq!(decide("changed", Some(&newer)), "outdated");
        // A row that changes nothing needs no version check.
        assert_eq!(decide("same", Some(&newer)), "unchanged");
    }

    impl RowDecision<'_> {
        fn kind(&self) -> &'static str {
            match self {
                Self::Reject(_) => "reject",
                Self::Unchanged(_) => "unchanged",
                Self::Outdated => "outdated",
                Self::Write { .. } => "write",
            }
        }
    }

    #[test]
    fn a_conflict_names_the_login_before_the_email_and_ignores_the_user_itself() {
        let batch = batch("a@x,a,f,l\n");
        let row = batch.rows().next().unwrap();
        let code = |own, login, email| decide_conflict(&row, own, Holders { login, email }).map(|found| found.code);
        assert_eq!(code(None, Some(1), Some(2)), Some(RejectionCode::ConflictLogin));
        assert_eq!(code(Some(1), Some(1), Some(2)), Some(RejectionCode::ConflictEmail));
        assert_eq!(code(Some(1), Some(1), Some(1)), None);
        assert_eq!(code(None, None, None), None);
    }

    const SPLIT: SplitSummary = SplitSummary {
        batches: 2,
        bytes: 100,
        ends_early: false,
        blocks_missing_users: true,
        waiting_rows: 0,
        missing_users_are_decided: false,
        dialect: Dialect::Collaborator,
    };

    #[test]
    fn a_job_ends_when_its_batches_cover_the_file() {
        let sums = LedgerSums { batches: 2, end_offset: 100, is_contiguous: true, ..LedgerSums::default() };
        assert!(covers_file(&SPLIT, &sums));
        for wrong in [
            LedgerSums { batches: 1, ..sums },
            LedgerSums { end_offset: 99, ..sums },
            LedgerSums { is_contiguous: false, ..sums },
        ] {
            assert!(!covers_file(&SPLIT, &wrong));
        }
        assert!(covers_file(&SplitSummary { batches: 0, bytes: 20, ..SPLIT }, &LedgerSums::default()));
    }

    #[test]
    fn missing_users_can_be_determined_only_if_a_row_was_good_and_all_named_a_user() {
        let counts = |unchanged, failed| Counts { unchanged, failed, ..Counts::default() };
        let can_tell = |counts, rows_without_key, ends_early| {
            let sums = LedgerSums { counts, rows_without_key, ..LedgerSums::default() };
            can_tell_missing(&SplitSummary { ends_early, ..SPLIT }, &sums)
        };
        assert!(can_tell(counts(1, 5), 0, false));
        assert!(!can_tell(counts(1, 5), 0, true));
        assert!(!can_tell(counts(0, 5), 0, false));
        assert!(!can_tell(counts(0, 0), 0, false));
        assert!(!can_tell(counts(5, 1), 1, false));
    }

    #[test]
    fn the_guard_is_the_greater_of_a_share_and_a_number() {
        for (missing, active, percent, always_allowed, forbidden) in [
            (10, 30, 10, 10, false),
            (11, 30, 10, 10, true),
            (100, 1000, 10, 10, false),
            (101, 1000, 10, 10, true),
            (1, 1000, 0, 0, true),
            (0, 0, 0, 0, false),
        ] {
            let guard = MissingGuard { percent, always_allowed };
            assert_eq!(guard.decide(missing, active) == MissingDecision::Keep, forbidden, "{missing} of {active}");
        }
    }
}
