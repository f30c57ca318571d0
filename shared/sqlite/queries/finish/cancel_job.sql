-- cancel_job: Starts to stop job ?2 of tenant ?1, even if it has not started. A file error that the split recorded is
-- cleared, so that the job ends as CANCELED; it stays if the job is already being stopped, because it may be the
-- reason.
update jobs
set
    stopping = true,
    state = 'PROCESSING',
    started_at = coalesce(started_at, cast(unixepoch('subsec') * 1000 as integer)),
    file_error_line = case when stopping then file_error_line end,
    file_error_code = case when stopping then file_error_code end,
    file_error_message = case when stopping then file_error_message end
where tenant = ?1 and id = ?2 and state in ('PENDING', 'PROCESSING')
