-- complete_stop: Ends the stop of job ?2 of tenant ?1: records the totals of its ledger and returns its final state.
-- That is FAILED if a file error is recorded, CANCELED if not. A job without failed rows and
-- warnings has no reports to remove.
update jobs
set
    state = case when file_error_code is null then 'CANCELED' else 'FAILED' end,
    created = ?3, updated = ?4, unchanged = ?5, failed = ?6, warnings = ?7, blocked = ?8, unblocked = ?9,
    applied_bytes = ?10, lease_until = null, finished_at = cast(unixepoch('subsec') * 1000 as integer),
    reports_removed_at = case when ?6 + ?7 = 0 then cast(unixepoch('subsec') * 1000 as integer) end
where tenant = ?1 and id = ?2 and state = 'PROCESSING' and stopping
returning state
