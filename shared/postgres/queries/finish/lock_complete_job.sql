-- lock_complete_job: Locks job $2 of tenant $1 before it ends, so that only one process decides its end; returns
-- nothing if another one does or the job is being stopped.
select id
from jobs
where tenant = $1 and id = $2 and state = 'PROCESSING' and not stopping
for no key update skip locked
