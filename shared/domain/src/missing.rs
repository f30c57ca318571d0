//! When users whom no row of a job has named are blocked: the rules that both stores follow.

use crate::counts::Counts;

/// What became of missing users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// So many are blocked now.
    pub blocked: u64,
    /// So many would have been blocked, and were not because of the tenant's guard.
    pub kept: Option<u64>,
}

/// Whether it can be told who is missing: rows were good, and every row said whom it is about.
pub const fn may_be_told(counts: &Counts, unnamed: u64) -> bool {
    counts.rows() > counts.failed && unnamed == 0
}

/// Whether the guard lets none of so many missing of so many active users be blocked.
pub fn is_guarded(missing: u64, active: u64, percent: u64, at_least: u64) -> bool {
    missing > (active * percent / 100).max(at_least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_is_a_share_or_a_number_whichever_is_more() {
        for (missing, active, percent, at_least, guarded) in [
            (10, 30, 10, 10, false),
            (11, 30, 10, 10, true),
            (100, 1000, 10, 10, false),
            (101, 1000, 10, 10, true),
            (1, 1000, 0, 0, true),
            (0, 0, 0, 0, false),
        ] {
            assert_eq!(is_guarded(missing, active, percent, at_least), guarded, "{missing} of {active}");
        }
    }

    #[test]
    fn it_can_only_be_told_if_a_row_was_good_and_all_had_a_name() {
        let counts = |unchanged, failed| Counts { unchanged, failed, ..Counts::default() };
        assert!(may_be_told(&counts(1, 5), 0));
        assert!(!may_be_told(&counts(0, 5), 0));
        assert!(!may_be_told(&counts(0, 0), 0));
        assert!(!may_be_told(&counts(5, 1), 1));
    }
}
