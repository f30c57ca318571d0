-- stop_job: the end of a stop, with what the ledger holds. What made the file unusable is there
-- already; without it, somebody wanted the job stopped.
update jobs
set
    state = case when file_error_code is null then 'CANCELED' else 'FAILED' end,
    created = $3, updated = $4, unchanged = $5, failed = $6, warnings = $7, blocked = $8, unblocked = $9,
    lease_until = null, finished_at = now()
where tenant = $1 and id = $2 and state = 'PROCESSING' and stopping
returning state
