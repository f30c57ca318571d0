-- lock_job: before it is deleted; the one writer is the lock.
select state, raw_key from jobs where tenant = ?1 and id = ?2
