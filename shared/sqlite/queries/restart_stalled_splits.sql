-- restart_stalled_splits: batches are missing, and none has come for a minute (then 2, 4, ... 10).
-- What was learned about the size of the file stays true.
update jobs
set
    total_batches = null,
    file_error_line = null, file_error_code = null, file_error_message = null,
    lease_until = null, stalls = stalls + 1
where state = 'PROCESSING'
    and not stopping
    and total_batches is not null
    and total_batches > (select count(*) from ledger l where l.tenant = jobs.tenant and l.job = jobs.id)
    and max(
        split_at,
        coalesce((select max(applied_at) from ledger l where l.tenant = jobs.tenant and l.job = jobs.id), 0)
    ) < cast(unixepoch('subsec') * 1000 as integer) - min(60 << min(stalls, 4), 600) * 1000
returning id
