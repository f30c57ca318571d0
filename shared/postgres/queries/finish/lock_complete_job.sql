-- lock_complete_job: Locks job $2 of tenant $1 before it ends, so that only one process decides its end; returns
-- nothing if another one does.
select id from jobs where tenant = $1 and id = $2 for no key update skip locked
