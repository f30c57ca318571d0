//! How a batch is applied: more defensively after attempts that failed or killed their worker.

/// From this recorded attempt on, a batch runs alone in its process and row by row.
pub(crate) const FIRST_EXCLUSIVE_ATTEMPT: u32 = 3;
/// From this recorded attempt on, a batch is given up.
const FIRST_GIVE_UP_ATTEMPT: u32 = 5;

/// How a batch is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApplyMode {
    /// All rows together.
    AllRows,
    /// Each row on its own, so that only the rows that the database rejects fail.
    EachRow,
    /// No rows: all are reported as failed, so that the job can end.
    GiveUp,
}

impl ApplyMode {
    /// The mode of a batch with this number of recorded attempts, the current one included.
    pub(crate) fn for_attempt(attempts: u32) -> Self {
        match attempts {
            FIRST_GIVE_UP_ATTEMPT.. => Self::GiveUp,
            FIRST_EXCLUSIVE_ATTEMPT.. => Self::EachRow,
            _ => Self::AllRows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_applied_row_by_row_from_the_third_attempt_and_given_up_at_the_fifth() {
        let modes = [0, 1, 2, 3, 4, 5, 6].map(ApplyMode::for_attempt);
        let (all, each, give_up) = (ApplyMode::AllRows, ApplyMode::EachRow, ApplyMode::GiveUp);
        assert_eq!(modes, [all, all, all, each, each, give_up, give_up]);
    }
}
