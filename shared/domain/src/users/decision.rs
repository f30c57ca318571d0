//! Decides how a row ends and how a job ends, once for all stores.
//!
//! A store finds users, executes a decision and reports what a unique index rejected. It decides nothing itself, so that
//! two stores give the same users, counts and rejections.

use crate::batch::{CheckedBatch, CheckedRow};
use crate::counts::Counts;
use crate::field::Field;
use crate::ids::JobId;
use crate::job::JobState;
use crate::profile::{MergedRows, StoredUser, Version, fold};
use crate::rejection::{Rejection, RejectionCode};
use crate::shape::Identity;

/// What is to be done with one row.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one exists at a time, and boxing it would cost an allocation a row")]
pub enum RowDecision<'a> {
    /// The row fails.
    Reject(Rejection),
    /// The row needs no write; these are its counts.
    Unchanged(Counts),
    /// A later row has already written the user. Nothing is written and the row counts as unchanged: epochs and the
    /// order of jobs rule this out, so it is a bug.
    Outdated,
    /// The user is written with this profile, as this version. If the write succeeds, the counts of `folded` apply;
    /// otherwise [`decide_conflict`] says why the row fails.
    Write {
        /// The new profile and the counts of the row.
        folded: MergedRows<'a>,
        /// The job and line of the row.
        version: Version,
    },
}

/// Decides about one row. `stored` is the user that [`RowKeys`] identify, or `None` if there is none.
pub fn decide_row<'a>(job: JobId, row: CheckedRow<'a>, stored: Option<&StoredUser<'a>>) -> RowDecision<'a> {
    if let (None, Some(field)) = (stored, row.missing_required_field()) {
        let name = row.field_name(field);
        return RowDecision::Reject(row.reject(Some(name), RejectionCode::ValueEmpty, format!("{name} is missing")));
    }
    let folded = fold(stored.map(|user| &user.profile), [row]);
    if folded.written_by.is_none() {
        return RowDecision::Unchanged(folded.counts);
    }
    let version = Version::new(job, row.line());
    if stored.is_some_and(|user| user.version >= version) {
        return RowDecision::Outdated;
    }
    RowDecision::Write { folded, version }
}

impl RowDecision<'_> {
    /// The counts of a row that [`RowDecision::Outdated`] leaves alone.
    pub const OUTDATED_COUNTS: Counts =
        Counts { created: 0, updated: 0, unchanged: 1, failed: 0, warnings: 0, blocked: 0, unblocked: 0 };
}

/// How the user of a row is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKeys<'a> {
    /// The key that is looked up first: the folded user name or the uid.
    pub key: &'a str,
    /// The folded user name that is looked up if no user has the key. A user found by it must be
    /// [adoptable](is_adoptable).
    pub login: Option<&'a str>,
}

impl<'a> RowKeys<'a> {
    /// The keys of a row. A row with a uid may adopt the user of its login who has no uid yet.
    pub fn new(row: &CheckedRow<'a>) -> Self {
        let login = match row.identity() {
            Identity::Username => None,
            Identity::Uid => row.username_key(),
        };
        Self { key: row.key(), login }
    }
}

/// Whether a user found by its login may be given the uid of a row: it has none yet.
pub fn is_adoptable(user: &StoredUser<'_>) -> bool {
    user.profile.value(Field::Uid).is_none()
}

/// Whether a row is probably about a new user, given the outcome of the row before it: then an insert may be tried
/// without a lookup. A uid alone does not tell, because the user may have to be adopted by its login.
pub fn expects_new_user(row: &CheckedRow<'_>, counts_before: &Counts) -> bool {
    row.identity() == Identity::Username && counts_before.created > 0
}

/// The ids of the users that hold what a row wants, the user of the row included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Holders {
    /// Who holds the user name.
    pub login: Option<i64>,
    /// Who holds the e-mail.
    pub email: Option<i64>,
}

/// Why a unique index rejected the write of a row, the user name before the e-mail. `own` is the id of the row's user,
/// or `None` if it is new. `None` if no other user holds what the row wants, which means that the users changed since.
pub fn decide_conflict(row: &CheckedRow<'_>, own: Option<i64>, holders: Holders) -> Option<Rejection> {
    let is_another = |holder: Option<i64>| holder.is_some() && holder != own;
    let (field, code) = if is_another(holders.login) {
        (Field::Username, RejectionCode::ConflictLogin)
    } else if is_another(holders.email) {
        (Field::Email, RejectionCode::ConflictEmail)
    } else {
        return None;
    };
    let name = row.field_name(field);
    Some(row.reject(Some(name), code, format!("{name} belongs to another user")))
}

/// Why a row fails whose write the database refuses for a reason of its own.
pub fn reject_refused_row(row: &CheckedRow<'_>) -> Rejection {
    row.reject(None, RejectionCode::NotApplied, "the database refused this row")
}

/// The keys of all users that the rows of a batch name, rows that failed included.
pub fn named_keys(batch: &CheckedBatch) -> Vec<&str> {
    batch.rows().map(|row| row.key()).chain(batch.named()).collect()
}

/// Sums over the ledger of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerSums {
    /// The number of applied batches.
    pub batches: u64,
    /// The outcomes of their rows.
    pub counts: Counts,
    /// The bytes of the decoded file that they cover.
    pub bytes: u64,
    /// Where in the decoded file the last one ends.
    pub end_offset: u64,
    /// Whether they cover the file from its start without a gap.
    pub is_contiguous: bool,
    /// How many rows failed before it was known which user they name.
    pub rows_without_key: u64,
}

/// What the split of a job came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitSummary {
    /// The number of batches.
    pub batches: u64,
    /// The size of the decoded file, in bytes, as far as it could be read.
    pub bytes: u64,
    /// Whether the file could not be read past some line.
    pub is_unreadable: bool,
    /// Whether users whom no row names are to be blocked.
    pub blocks_missing: bool,
}

/// Whether a job can become final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndDecision {
    /// The ledger has all batches, but they do not cover the file: a bug, which the reconciler repairs.
    Incomplete,
    /// It becomes final as it is.
    Finish,
    /// Missing users are blocked first, in the same transaction.
    BlockMissing,
}

/// Decides whether a split job can become final. Missing users can be determined only if the file was read to its end,
/// a row was good, and every row said which user it names.
pub fn decide_end(split: &SplitSummary, sums: &LedgerSums) -> EndDecision {
    let covers_the_file = sums.batches == 0 || (sums.is_contiguous && sums.end_offset == split.bytes);
    if sums.batches != split.batches || !covers_the_file {
        return EndDecision::Incomplete;
    }
    let some_row_was_good = sums.counts.rows() > sums.counts.failed;
    if split.blocks_missing && !split.is_unreadable && some_row_was_good && sums.rows_without_key == 0 {
        return EndDecision::BlockMissing;
    }
    EndDecision::Finish
}

/// How many missing users one file may block: a tenant's setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingGuard {
    /// A share of the active users with a uid, in percent.
    pub percent: u64,
    /// A number that is always allowed.
    pub min_users: u64,
}

/// What happened to the missing users of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingOutcome {
    /// How many were blocked.
    pub blocked: u64,
    /// How many the guard kept from being blocked; `None` if it did not have to.
    pub kept: Option<u64>,
}

impl MissingGuard {
    /// Whether `missing` of `active` users are too many to be blocked.
    pub fn forbids(&self, missing: u64, active: u64) -> bool {
        missing > (active * self.percent / 100).max(self.min_users)
    }
}

/// The final counts and the final state of a job.
pub fn decide_final(split: &SplitSummary, sums: &LedgerSums, missing: MissingOutcome) -> (JobState, Counts) {
    let mut counts = sums.counts;
    counts.blocked += missing.blocked;
    (JobState::final_state(&counts, split.is_unreadable), counts)
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
        spigit::check_batch(&header, Handling::Strict, RecordLimits::default(), 2, records.as_bytes())
    }

    fn stored(version: Version) -> StoredUser<'static> {
        let mut values = [None; FIELD_COUNT];
        let fields = [(Field::Email, "a@x"), (Field::Username, "a"), (Field::FirstName, "f"), (Field::LastName, "l")];
        for (field, value) in fields {
            values[field.index()] = Some(value);
        }
        StoredUser { id: 7, version, profile: Profile::from_stored(values, "a", Some("a@x"), None).unwrap() }
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

    #[test]
    fn a_job_ends_when_its_batches_cover_the_file() {
        let split = SplitSummary { batches: 2, bytes: 100, is_unreadable: false, blocks_missing: false };
        let sums = LedgerSums { batches: 2, end_offset: 100, is_contiguous: true, ..LedgerSums::default() };
        assert_eq!(decide_end(&split, &sums), EndDecision::Finish);
        for wrong in [
            LedgerSums { batches: 1, ..sums },
            LedgerSums { end_offset: 99, ..sums },
            LedgerSums { is_contiguous: false, ..sums },
        ] {
            assert_eq!(decide_end(&split, &wrong), EndDecision::Incomplete);
        }
        let empty = SplitSummary { batches: 0, bytes: 20, ..split };
        assert_eq!(decide_end(&empty, &LedgerSums::default()), EndDecision::Finish);
    }

    #[test]
    fn missing_users_can_be_determined_only_if_a_row_was_good_and_all_named_a_user() {
        let counts = |unchanged, failed| Counts { unchanged, failed, ..Counts::default() };
        let decide = |counts, rows_without_key, is_unreadable| {
            let split = SplitSummary { batches: 1, bytes: 9, is_unreadable, blocks_missing: true };
            let sums =
                LedgerSums { batches: 1, counts, bytes: 9, end_offset: 9, is_contiguous: true, rows_without_key };
            decide_end(&split, &sums)
        };
        assert_eq!(decide(counts(1, 5), 0, false), EndDecision::BlockMissing);
        assert_eq!(decide(counts(1, 5), 0, true), EndDecision::Finish);
        assert_eq!(decide(counts(0, 5), 0, false), EndDecision::Finish);
        assert_eq!(decide(counts(0, 0), 0, false), EndDecision::Finish);
        assert_eq!(decide(counts(5, 1), 1, false), EndDecision::Finish);
    }

    #[test]
    fn the_guard_is_the_greater_of_a_share_and_a_number() {
        for (missing, active, percent, min_users, forbidden) in [
            (10, 30, 10, 10, false),
            (11, 30, 10, 10, true),
            (100, 1000, 10, 10, false),
            (101, 1000, 10, 10, true),
            (1, 1000, 0, 0, true),
            (0, 0, 0, 0, false),
        ] {
            let guard = MissingGuard { percent, min_users };
            assert_eq!(guard.forbids(missing, active), forbidden, "{missing} of {active}");
        }
    }
}
