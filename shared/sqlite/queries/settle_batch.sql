-- settle_batch: claims a batch and writes its counts. Differs from Postgres, which must claim first
-- to make other transactions wait.
insert into ledger (
    tenant, job, batch, first_offset, end_offset, created, updated, unchanged, failed, warnings, blocked, unblocked,
    named, unnamed
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
