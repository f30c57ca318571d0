-- notify_job
select pg_notify('muster_jobs', $1)
