//! How much is looked up before a batch is written.
//!
//! Unique indexes reject every conflict, whatever was looked up before. So the first attempt at a batch may look up
//! little, and pays for it only if it conflicts: then everything is rolled back and tried again with more knowledge.
//! The result does not depend on the level.

use std::collections::HashMap;
use std::sync::Mutex;

use muster_domain::{Counts, JobId};

/// What is looked up, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookupLevel {
    /// Nothing: every row is expected to be a new user.
    Nothing,
    /// The users whom the rows name. No other user is expected to hold their e-mails and logins.
    Named,
    /// Also the holders of the e-mails and logins that the rows want.
    Holders,
    /// The same, and new users are inserted around those that appeared after the lookup.
    AroundConflicts,
}

impl LookupLevel {
    /// The level of the next attempt after a unique index has rejected a write.
    pub(super) fn escalate(self) -> Self {
        match self {
            Self::Nothing => Self::Named,
            Self::Named => Self::Holders,
            Self::Holders | Self::AroundConflicts => Self::AroundConflicts,
        }
    }

    /// At least the level that knows the holders of e-mails and logins.
    pub(super) fn with_holders(self) -> Self {
        match self {
            Self::Nothing | Self::Named => Self::Holders,
            other => other,
        }
    }
}

/// The maximum number of jobs with a hint. Forgetting one costs a second attempt at a batch.
const MAX_HINTED_JOBS: usize = 64;

/// The level of the first attempt at the next batch of each job: the one that was sufficient for the previous batch.
#[derive(Debug, Default)]
pub(crate) struct LookupHints {
    levels: Mutex<HashMap<JobId, LookupLevel>>,
}

impl LookupHints {
    /// The level of the first attempt at a batch.
    pub(super) fn first(&self, job: JobId) -> LookupLevel {
        self.lock().get(&job).copied().unwrap_or(LookupLevel::Named)
    }

    /// Remembers the level at which a batch was applied, and the outcomes of its rows.
    pub(super) fn learn(&self, job: JobId, level: LookupLevel, counts: &Counts) {
        let all_new = counts.created > 0 && counts.updated == 0 && counts.unchanged == 0;
        let next = match level {
            LookupLevel::Nothing | LookupLevel::Named if all_new => LookupLevel::Nothing,
            LookupLevel::Nothing | LookupLevel::Named => LookupLevel::Named,
            // A file that had one conflict is likely to have more.
            LookupLevel::Holders | LookupLevel::AroundConflicts => LookupLevel::Holders,
        };
        let mut levels = self.lock();
        if levels.len() >= MAX_HINTED_JOBS && !levels.contains_key(&job) {
            levels.clear();
        }
        levels.insert(job, next);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, LookupLevel>> {
        self.levels.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(level: LookupLevel, created: u64, unchanged: u64) -> LookupLevel {
        let hints = LookupHints::default();
        hints.learn(JobId(1), level, &Counts { created, unchanged, ..Counts::default() });
        hints.first(JobId(1))
    }

    #[test]
    fn a_job_starts_with_the_users_it_names_and_continues_at_the_level_that_was_right() {
        assert_eq!(LookupHints::default().first(JobId(1)), LookupLevel::Named);
        assert_eq!(after(LookupLevel::Named, 5, 0), LookupLevel::Nothing);
        assert_eq!(after(LookupLevel::Nothing, 5, 0), LookupLevel::Nothing);
        assert_eq!(after(LookupLevel::Named, 4, 1), LookupLevel::Named);
        assert_eq!(after(LookupLevel::Holders, 5, 0), LookupLevel::Holders);
        assert_eq!(after(LookupLevel::AroundConflicts, 5, 0), LookupLevel::Holders);
    }

    #[test]
    fn every_conflict_escalates_the_lookup() {
        let levels = [LookupLevel::Nothing, LookupLevel::Named, LookupLevel::Holders, LookupLevel::AroundConflicts];
        for pair in levels.windows(2) {
            assert_eq!(pair[0].escalate(), pair[1]);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let hints = LookupHints::default();
        for job in 0..1000 {
            hints.learn(JobId(job), LookupLevel::Named, &Counts { created: 1, ..Counts::default() });
        }
        assert!(hints.lock().len() <= MAX_HINTED_JOBS);
    }
}
