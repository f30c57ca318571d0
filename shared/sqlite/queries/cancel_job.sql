-- cancel_job: begins the stop of a job, also of one that has not begun. What the split found wrong
-- with the file does not make it a failed one, unless it has begun to stop because of that.
update jobs
set
    stopping = true,
    state = 'PROCESSING',
    started_at = coalesce(started_at, cast(unixepoch('subsec') * 1000 as integer)),
    file_error_line = case when stopping then file_error_line end,
    file_error_code = case when stopping then file_error_code end,
    file_error_message = case when stopping then file_error_message end
where tenant = ?1 and id = ?2 and state in ('PENDING', 'PROCESSING')
