-- lock_job_shared: Returns the state of job ?2 of tenant ?1. Differs from Postgres: no lock is needed, because there is
-- one writer.
select
    state, stopping, total_batches,
    exists (select 1 from waiting w where w.tenant = jobs.tenant and w.job = jobs.id) as has_waiting
from jobs
where tenant = ?1 and id = ?2
