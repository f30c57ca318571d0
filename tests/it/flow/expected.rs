//! Counts as named values, so that an assertion says what it expects: `created(3).updated(1).failed(2)` for the status
//! of a job, `reply().created(8)` for a Collaborator reply.

use muster_testkit::Response;
use serde_json::Value;

/// The row counts in the status of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowCounts {
    pub(crate) total: u64,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) failed: u64,
}

/// The counts of a job without rows. The other builders start from it.
pub(crate) fn no_rows() -> RowCounts {
    RowCounts::default()
}

pub(crate) fn created(rows: u64) -> RowCounts {
    no_rows().created(rows)
}

pub(crate) fn updated(rows: u64) -> RowCounts {
    no_rows().updated(rows)
}

pub(crate) fn unchanged(rows: u64) -> RowCounts {
    no_rows().unchanged(rows)
}

pub(crate) fn failed(rows: u64) -> RowCounts {
    no_rows().failed(rows)
}

/// Each of these adds rows with one outcome, and thereby to the total.
impl RowCounts {
    pub(crate) fn created(self, rows: u64) -> Self {
        Self { total: self.total + rows, created: self.created + rows, ..self }
    }

    pub(crate) fn updated(self, rows: u64) -> Self {
        Self { total: self.total + rows, updated: self.updated + rows, ..self }
    }

    pub(crate) fn unchanged(self, rows: u64) -> Self {
        Self { total: self.total + rows, unchanged: self.unchanged + rows, ..self }
    }

    pub(crate) fn failed(self, rows: u64) -> Self {
        Self { total: self.total + rows, failed: self.failed + rows, ..self }
    }
}

/// Reads the row counts of a status.
pub(crate) trait Status {
    fn counts(&self) -> RowCounts;

    /// The `error_message`, with `user N` for each id of a user.
    fn errors(&self) -> String;
}

impl Status for Value {
    fn counts(&self) -> RowCounts {
        RowCounts {
            total: number(self, "total_users"),
            created: number(self, "created_users"),
            updated: number(self, "updated_users"),
            unchanged: number(self, "unchanged_users"),
            failed: number(self, "failed_users"),
        }
    }

    fn errors(&self) -> String {
        hide_user_ids(self["error_message"].as_str().unwrap_or_default())
    }
}

/// The text with `user N` for each id of a user: the numbers depend on what ran before on the same servers.
pub(crate) fn hide_user_ids(text: &str) -> String {
    let mut parts = text.split("(user ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "(user N" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// The user counts in the reply to a Collaborator request. Rows that change nothing are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplyCounts {
    created: u64,
    updated: u64,
    blocked: u64,
    unblocked: u64,
    failed: u64,
}

/// The reply to a request that changed nothing.
pub(crate) fn reply() -> ReplyCounts {
    ReplyCounts::default()
}

impl ReplyCounts {
    pub(crate) fn created(self, created: u64) -> Self {
        Self { created, ..self }
    }

    pub(crate) fn updated(self, updated: u64) -> Self {
        Self { updated, ..self }
    }

    pub(crate) fn blocked(self, blocked: u64) -> Self {
        Self { blocked, ..self }
    }

    pub(crate) fn unblocked(self, unblocked: u64) -> Self {
        Self { unblocked, ..self }
    }

    pub(crate) fn failed(self, failed: u64) -> Self {
        Self { failed, ..self }
    }
}

/// Reads the user counts of a Collaborator reply.
pub(crate) trait Reply {
    /// The counts of a reply that contains nothing else, but maybe the keys that were ignored.
    fn counts(&self) -> ReplyCounts;

    /// The counts of a reply that may also report failed rows or missing users.
    fn counts_with_details(&self) -> ReplyCounts;
}

impl Reply for Response {
    fn counts(&self) -> ReplyCounts {
        let counts = self.counts_with_details();
        let others = self.json().as_object().unwrap().keys().filter(|key| *key != "ignored").count();
        assert_eq!(others, 4, "a reply with counts alone: {}", self.text);
        counts
    }

    fn counts_with_details(&self) -> ReplyCounts {
        assert_eq!(self.status, 200, "{}", self.text);
        let body = self.json();
        ReplyCounts {
            created: number(&body, "created_count"),
            updated: number(&body, "updated_count"),
            blocked: number(&body, "blocked_count"),
            unblocked: number(&body, "unblocked_count"),
            failed: body.get("failed_count").map_or(0, |_| number(&body, "failed_count")),
        }
    }
}

fn number(body: &Value, key: &str) -> u64 {
    body[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {body}"))
}
