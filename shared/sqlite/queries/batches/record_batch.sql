-- record_batch: Inserts the ledger row of batch ?3 of job ?2 of tenant ?1 with its counts and named users, its queue
-- ?15 and when it was published ?16. Differs from Postgres, which claims the batch first, to make other deliveries of
-- it wait.
insert into ledger (
    tenant, job, batch, first_offset, end_offset, created, updated, unchanged, failed, warnings, blocked, unblocked,
    named, unnamed, lane, published_at, waiting
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
