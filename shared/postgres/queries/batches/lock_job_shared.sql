-- lock_job_shared: Returns the state of job $2 of tenant $1 and takes a shared lock: before this transaction ends, the
-- job cannot be deleted, and neither its stop nor a split that gives up can end.
select
    state, stopping, total_batches,
    exists (select 1 from waiting w where w.tenant = jobs.tenant and w.job = jobs.id) as has_waiting
from jobs
where tenant = $1 and id = $2
for key share
