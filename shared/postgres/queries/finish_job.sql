-- finish_job: the one transition to a final state.
update jobs
set state = $3, created = $4, updated = $5, unchanged = $6, failed = $7, warnings = $8,
    blocked = $9, unblocked = $10, missing_kept = $11, finished_at = now()
where tenant = $1 and id = $2 and state = 'PROCESSING' and not stopping and total_batches is not null
