//! Rows of the ledger, and sums over the ledger of a job.

use muster_domain::decision::{self, LedgerSums};
use muster_domain::{BatchNo, Counts};
use muster_ports::{AppliedBatch, BatchStatus, LedgerSnapshot};

use crate::row::{SqlRow, Unreadable};

/// The counts of a ledger row, or sums of them.
pub fn counts(row: &impl SqlRow) -> Result<Counts, Unreadable> {
    Ok(Counts {
        created: row.count("created")?,
        updated: row.count("updated")?,
        unchanged: row.count("unchanged")?,
        failed: row.count("failed")?,
        warnings: row.count("warnings")?,
        blocked: row.count("blocked")?,
        unblocked: row.count("unblocked")?,
    })
}

/// The row of `ledger_sums.sql`.
pub fn sums(row: &impl SqlRow) -> Result<LedgerSums, Unreadable> {
    Ok(LedgerSums {
        batches: row.count("batches")?,
        counts: counts(row)?,
        bytes: row.count("bytes")?,
        end_offset: row.count("end_offset")?,
        is_contiguous: row.boolean("is_contiguous")?,
        rows_without_key: row.count("rows_without_key")?,
    })
}

/// A row of `applied_batches.sql`.
pub fn applied_batch(row: &impl SqlRow) -> Result<AppliedBatch, Unreadable> {
    Ok(AppliedBatch { batch: batch(row)?, failed: row.count("failed")? })
}

/// Adds a row of `ledger_rows.sql` to a view.
pub fn add_to_view(view: &mut LedgerSnapshot, row: &impl SqlRow) -> Result<(), Unreadable> {
    view.add(batch(row)?, &counts(row)?, row.count("bytes")?);
    Ok(())
}

fn batch(row: &impl SqlRow) -> Result<BatchNo, Unreadable> {
    u32::try_from(row.count("batch")?).map(BatchNo).map_err(|_| Unreadable("batch"))
}

/// The row of `batch_status.sql`.
pub fn batch_status(row: &impl SqlRow, number: BatchNo) -> Result<BatchStatus, Unreadable> {
    let total_batches = row.optional_count("total_batches")?;
    // The batch after the last one is the extra batch at the end of the job, which no message is about.
    let is_of_file = total_batches.is_none_or(|total| u64::from(number.0) <= total);
    if is_of_file && row.optional_number("created")?.is_some() {
        return Ok(BatchStatus::Applied(counts(row)?));
    }
    let state = crate::jobs::job_state(row, "state")?;
    let is_open = decision::accepts_batch(state, row.boolean("stopping")?, total_batches, number);
    Ok(if is_open { BatchStatus::Open } else { BatchStatus::NotRunning })
}
