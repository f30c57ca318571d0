-- record_batch: Records the counts and named users of the claimed batch $3 of job $2 of tenant $1.
update ledger
set created = $4, updated = $5, unchanged = $6, failed = $7, warnings = $8,
    blocked = $9, unblocked = $10, named = $11, unnamed = $12, waiting = $13
where tenant = $1 and job = $2 and batch = $3
