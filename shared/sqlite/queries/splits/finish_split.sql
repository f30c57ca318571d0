-- finish_split: Records the result of the split of job ?1 and ends its lease, if fence ?2 is current and the job is
-- running.
update jobs
set
    total_batches = ?3, total_rows = ?4, total_bytes = ?5,
    file_error_line = ?6, file_error_code = ?7, file_error_message = ?8,
    split_at = cast(unixepoch('subsec') * 1000 as integer), lease_until = null
where id = ?1 and lease_fence = ?2 and state = 'PROCESSING' and not stopping
