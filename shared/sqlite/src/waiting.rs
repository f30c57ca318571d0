//! Rows that wait, because they want the e-mail or the login of another user.

use muster_domain::decision::RowKeys;
use muster_domain::shape::RowShape;
use muster_domain::waiting::{WaitingClaims, from_json, to_json};
use muster_domain::{BatchNo, CheckedRow, JobId, TenantId};
use muster_ports::BatchToApply;
use rusqlite::{Connection, params};

use crate::connection::row::unreadable;
use crate::sql;

/// Adds what those waiting rows of the job name and want that concern a row.
pub(crate) fn add_claims(
    db: &Connection,
    batch: &BatchToApply,
    row: &CheckedRow<'_>,
    claims: &mut WaitingClaims,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(sql::PROBE_WAITING)?;
    let values = params![batch.tenant.0, batch.job.0, row.key(), row.email_key(), RowKeys::new(row).login];
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        let text = |index| row.get_ref(index)?.as_str_or_null().map_err(rusqlite::Error::from);
        claims.add_keys(text(0)?.unwrap_or_default(), text(1)?, text(2)?);
    }
    Ok(())
}

/// Stores a waiting row.
pub(crate) fn insert(db: &Connection, batch: &BatchToApply, row: &CheckedRow<'_>) -> rusqlite::Result<()> {
    let values = params![
        batch.tenant.0,
        batch.job.0,
        row.line().cast_signed(),
        row.key(),
        row.email_key(),
        RowKeys::new(row).login,
        row.unset_required_field().is_none(),
        to_json(row)
    ];
    db.prepare_cached(sql::INSERT_WAITING)?.execute(values).map(drop)
}

/// The extra batch at the end of a job.
#[derive(Clone, Copy)]
pub(crate) struct FinalBatch {
    pub(crate) tenant: TenantId,
    pub(crate) job: JobId,
    pub(crate) batch: BatchNo,
    pub(crate) end_offset: u64,
    pub(crate) shape: RowShape,
}

impl FinalBatch {
    /// Waiting rows of the job in their stored form, as a batch.
    pub(crate) fn with_rows(&self, rows: &[String]) -> rusqlite::Result<BatchToApply> {
        Ok(BatchToApply {
            tenant: self.tenant,
            job: self.job,
            batch: self.batch,
            first_offset: self.end_offset,
            end_offset: self.end_offset,
            rows: from_json(self.shape, rows.iter().map(String::as_str)).map_err(unreadable)?.into(),
            row_by_row: false,
            records_named_users: false,
            publication: None,
        })
    }
}

/// Drops the waiting rows of a job.
pub(crate) fn delete(db: &Connection, tenant: TenantId, job: JobId) -> rusqlite::Result<()> {
    db.execute(sql::DELETE_WAITING, params![tenant.0, job.0]).map(drop)
}
