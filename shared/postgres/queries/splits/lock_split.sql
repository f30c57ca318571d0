-- lock_split: Locks job $1 before its split ends early. Waits for batches that are being applied.
select id from jobs where id = $1 for update
