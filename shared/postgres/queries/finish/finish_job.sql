-- finish_job: Moves job $2 of tenant $1 to final state $3 and records its counts; has no effect if it is final, being
-- stopped or not split. A job without failed rows and
-- warnings has no reports to remove.
update jobs
set state = $3, created = $4, updated = $5, unchanged = $6, failed = $7, warnings = $8,
    blocked = $9, unblocked = $10, missing_kept = $11, finished_at = now(),
    reports_removed_at = case when $7::bigint + $8::bigint = 0 then now() end
where tenant = $1 and id = $2 and state = 'PROCESSING' and not stopping and total_batches is not null
