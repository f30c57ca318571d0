-- cancel_job: begins the stop of a job, also of one that has not begun.
update jobs
set stopping = true, state = 'PROCESSING', started_at = coalesce(started_at, now())
where tenant = $1 and id = $2 and state in ('PENDING', 'PROCESSING')
