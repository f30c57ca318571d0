//! The states of a job and the text of its `error_message`.

use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::rejection::Rejection;

/// The state of a job, in the words of the Spigit API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobState {
    /// Accepted and stored; the split has not started.
    Pending,
    /// Being split or applied.
    Processing,
    /// The file was read to its end, even if rows failed.
    Success,
    /// The file is unusable or unreadable after some line, or every row failed.
    Failed,
    /// Stopped on request.
    Canceled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Success, Self::Failed, Self::Canceled];

    /// The state as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Processing => "PROCESSING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Parses a state that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the job will not change again.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Canceled)
    }

    /// The final state of a job whose batches are all in the ledger.
    pub const fn final_state(counts: &Counts, file_unreadable: bool) -> Self {
        let every_row_failed = counts.failed > 0 && counts.failed == counts.rows();
        if file_unreadable || every_row_failed { Self::Failed } else { Self::Success }
    }
}

/// Maximum number of rejections that `error_message` lists; the others are only counted.
pub const MAX_LISTED_REJECTIONS: usize = 100;

/// The text of `error_message`: the error that ended the file early, then the first rejections, then the number
/// of further ones. `No errors` if there are none.
pub fn error_message(file_error: Option<&Rejection>, first: &[Rejection], failed: u64) -> String {
    let listed = &first[..first.len().min(MAX_LISTED_REJECTIONS)];
    let mut parts: Vec<String> = file_error.into_iter().chain(listed).map(Rejection::sentence).collect();
    let more = failed.saturating_sub(listed.len() as u64);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    if parts.is_empty() { "No errors".to_owned() } else { parts.join("; ") }
}

/// The text of `error_message` of a canceled job: how far it came, then its rejections.
pub fn error_message_of_canceled(first: &[Rejection], counts: Counts) -> String {
    let canceled = format!("Canceled after {} rows; the rest of the file was not imported", counts.rows());
    if counts.failed == 0 { canceled } else { format!("{canceled}; {}", error_message(None, first, counts.failed)) }
}

/// The text of `error_message` after retention removed the rejections.
pub fn error_message_without_rows(file_error: Option<&Rejection>, failed: u64) -> String {
    let rows = (failed > 0).then(|| format!("failed rows: {failed}; their details have been removed (retention)"));
    let parts: Vec<String> = file_error.map(Rejection::sentence).into_iter().chain(rows).collect();
    if parts.is_empty() { "No errors".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::RejectionCode;

    fn rejection(line: u64) -> Rejection {
        Rejection::new(line, None, RejectionCode::ValueEmpty, "EMAIL is missing")
    }

    #[test]
    fn the_error_message_lists_a_hundred_rejections_and_counts_the_rest() {
        assert_eq!(error_message(None, &[], 0), "No errors");
        assert_eq!(error_message(None, &[rejection(3)], 1), "Line 3: EMAIL is missing");
        let many: Vec<_> = (0..120).map(rejection).collect();
        let message = error_message(Some(&rejection(9)), &many, 250);
        assert!(message.starts_with("Line 9: EMAIL is missing; Line 0: "));
        assert!(message.ends_with("Line 99: EMAIL is missing; and 150 more"));
    }

    #[test]
    fn the_error_message_says_that_the_rejections_were_removed() {
        let removed = "failed rows: 2; their details have been removed (retention)";
        assert_eq!(error_message_without_rows(None, 0), "No errors");
        assert_eq!(error_message_without_rows(None, 2), removed);
        let unreadable = rejection(9);
        assert_eq!(error_message_without_rows(Some(&unreadable), 2), format!("Line 9: EMAIL is missing; {removed}"));
    }

    #[test]
    fn a_file_fails_only_if_it_is_unreadable_or_every_row_failed() {
        let counts = |created, failed| Counts { created, failed, ..Counts::default() };
        assert_eq!(JobState::final_state(&counts(0, 0), false), JobState::Success);
        assert_eq!(JobState::final_state(&counts(1, 5), false), JobState::Success);
        assert_eq!(JobState::final_state(&counts(0, 5), false), JobState::Failed);
        assert_eq!(JobState::final_state(&counts(5, 0), true), JobState::Failed);
    }

    #[test]
    fn states_parse_back_and_match_their_json_form() {
        for state in JobState::ALL {
            assert_eq!(JobState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
