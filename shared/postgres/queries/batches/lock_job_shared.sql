-- lock_job_shared: Returns the state of job $2 of tenant $1 and takes a shared lock: before this transaction ends, the
-- job cannot be deleted and its stop cannot end.
select state, stopping from jobs where tenant = $1 and id = $2 for key share
