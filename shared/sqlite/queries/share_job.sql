-- share_job: whether the job is running; the one writer is the lock.
select state, stopping from jobs where tenant = ?1 and id = ?2
