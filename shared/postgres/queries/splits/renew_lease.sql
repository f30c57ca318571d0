-- renew_lease: Extends the lease of job $1 to $3 milliseconds from now, if fence $2 is current and the job is running.
update jobs
set lease_until = now() + $3 * interval '1 millisecond'
where id = $1 and lease_fence = $2 and state = 'PROCESSING' and not stopping
