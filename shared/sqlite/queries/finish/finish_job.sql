-- finish_job: Moves job ?2 of tenant ?1 to final state ?3 and records its counts; has no effect if it is final, being
-- stopped or not split.
update jobs
set state = ?3, created = ?4, updated = ?5, unchanged = ?6, failed = ?7, warnings = ?8,
    blocked = ?9, unblocked = ?10, missing_kept = ?11, finished_at = cast(unixepoch('subsec') * 1000 as integer)
where tenant = ?1 and id = ?2 and state = 'PROCESSING' and not stopping and total_batches is not null
