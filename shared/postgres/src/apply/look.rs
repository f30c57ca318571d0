//! How much is looked up before a batch is written.
//!
//! Unique indexes refuse what is in the way of others, whatever was looked up before. So a batch may begin
//! with a guess, and only pays for it if the guess is wrong: then all is rolled back and tried again with
//! more knowledge. The result is the same by every way.

use std::collections::HashMap;
use std::sync::Mutex;

use muster_domain::{Counts, JobId};

/// What is looked up, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing: all rows are taken for new users.
    Nothing,
    /// The users whom the rows name. No one else is taken to have their e-mails and logins.
    Named,
    /// Also who has the e-mails and logins that the rows want.
    Holders,
    /// The same, and new users are inserted around those who came between look and write.
    AroundConflicts,
}

impl Look {
    /// What is looked up after a unique index has refused a write.
    pub(super) fn closer(self) -> Self {
        match self {
            Self::Nothing => Self::Named,
            Self::Named => Self::Holders,
            Self::Holders | Self::AroundConflicts => Self::AroundConflicts,
        }
    }
}

/// Jobs of which something is remembered at most. Forgetting one costs a second try of a batch.
const JOBS: usize = 64;

/// With which guess the batches of a job begin: what was right for the one before.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    of_jobs: Mutex<HashMap<JobId, Look>>,
}

impl Guesses {
    /// The first look at a batch.
    pub(super) fn first(&self, job: JobId) -> Look {
        self.lock().get(&job).copied().unwrap_or(Look::Named)
    }

    /// Remembers with which look a batch was applied, and what became of its rows.
    pub(super) fn learn(&self, job: JobId, look: Look, counts: &Counts) {
        let all_new = counts.created > 0 && counts.updated == 0 && counts.unchanged == 0;
        let next = match look {
            Look::Nothing | Look::Named if all_new => Look::Nothing,
            Look::Nothing | Look::Named => Look::Named,
            // A file that was in the way of others once will be so again.
            Look::Holders | Look::AroundConflicts => Look::Holders,
        };
        let mut of_jobs = self.lock();
        if of_jobs.len() >= JOBS && !of_jobs.contains_key(&job) {
            of_jobs.clear();
        }
        of_jobs.insert(job, next);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Look>> {
        self.of_jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(look: Look, created: u64, unchanged: u64) -> Look {
        let guesses = Guesses::default();
        guesses.learn(JobId(1), look, &Counts { created, unchanged, ..Counts::default() });
        guesses.first(JobId(1))
    }

    #[test]
    fn a_job_begins_with_the_users_it_names_and_goes_on_as_it_went() {
        assert_eq!(Guesses::default().first(JobId(1)), Look::Named);
        assert_eq!(after(Look::Named, 5, 0), Look::Nothing);
        assert_eq!(after(Look::Nothing, 5, 0), Look::Nothing);
        assert_eq!(after(Look::Named, 4, 1), Look::Named);
        assert_eq!(after(Look::Holders, 5, 0), Look::Holders);
        assert_eq!(after(Look::AroundConflicts, 5, 0), Look::Holders);
    }

    #[test]
    fn every_refusal_leads_to_a_closer_look() {
        let looks = [Look::Nothing, Look::Named, Look::Holders, Look::AroundConflicts];
        for pair in looks.windows(2) {
            assert_eq!(pair[0].closer(), pair[1]);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let guesses = Guesses::default();
        for job in 0..1000 {
            guesses.learn(JobId(job), Look::Named, &Counts { created: 1, ..Counts::default() });
        }
        assert!(guesses.lock().len() <= JOBS);
    }
}
