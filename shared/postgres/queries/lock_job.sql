-- lock_job: before it is deleted.
select state, raw_key from jobs where tenant = $1 and id = $2 for update
