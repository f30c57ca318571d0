//! Turns the records of a batch into checked rows and rejections.

use muster_domain::{
    BatchRecords, CheckRules, CheckedBatch, Dialect, Header, Rejection, RejectionCode, check_batch, row_shape,
};
use muster_messages::BatchMessage;
use muster_ports::JobRules;

/// Checks the records by the rules of their job.
pub(crate) fn check_records(message: &BatchMessage, rules: &JobRules, records: &[u8]) -> CheckedBatch {
    let rules = CheckRules {
        dialect: rules.dialect,
        handling: rules.handling,
        format: rules.format,
        header: Header::from_titles(rules.titles.clone()),
        limits: rules.record,
    };
    let records = BatchRecords {
        first_line: message.first_line,
        first_row: message.first_row,
        broken: Some(message.broken.clone()),
        text: records,
    };
    check_batch(&rules, records)
}

/// Fails every row of a batch that cannot be checked. The lines are numbered consecutively from the first: a row has at
/// least one line, so no two batches report the same line.
pub(crate) fn unreadable(message: &BatchMessage, dialect: Dialect) -> CheckedBatch {
    let lines = message.first_line..message.first_line + u64::from(message.rows);
    CheckedBatch::all_failed(row_shape(dialect), lines.map(not_applied).collect())
}

/// Fails every row of a checked batch.
pub(crate) fn reject_all_rows(checked: &CheckedBatch) -> CheckedBatch {
    let mut rejections = checked.rejections().to_vec();
    rejections.extend(checked.rows().map(|row| not_applied(row.line()).with_row(row.row())));
    rejections.sort_unstable_by_key(|rejection| rejection.line);
    CheckedBatch::all_failed(checked.shape(), rejections)
}

fn not_applied(line: u64) -> Rejection {
    let message = "the batch of this row could not be applied".to_owned();
    Rejection::new(line, None, RejectionCode::NotApplied, message)
}
