-- notify_job: Notifies all listeners, on commit, that the job whose id is $1 became final.
select pg_notify('muster_jobs', $1)
