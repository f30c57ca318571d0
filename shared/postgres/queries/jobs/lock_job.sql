-- lock_job: Locks job $2 of tenant $1 before it is stopped or deleted, and returns its state and raw-store key. Waits
-- for batches that are being applied.
select state, raw_key from jobs where tenant = $1 and id = $2 for update
