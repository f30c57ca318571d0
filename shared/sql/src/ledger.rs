//! Rows of the ledger, and sums over the ledger of a job.

use muster_domain::decision::LedgerSums;
use muster_domain::{BatchNo, Counts};
use muster_ports::LedgerSnapshot;

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

/// Adds a row of `ledger_rows.sql` to a view.
pub fn add_to_view(view: &mut LedgerSnapshot, row: &impl SqlRow) -> Result<(), Unreadable> {
    let batch = u32::try_from(row.count("batch")?).map_err(|_| Unreadable("batch"))?;
    view.add(BatchNo(batch), &counts(row)?, row.count("bytes")?);
    Ok(())
}
