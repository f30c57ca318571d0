-- restart_stalled_splits: batches are missing, and none has come for a minute (then 2, 4, ... 10).
-- What was learned about the size of the file stays true.
update jobs j
set
    total_batches = null,
    file_error_line = null, file_error_code = null, file_error_message = null,
    lease_until = null, stalls = stalls + 1
where state = 'PROCESSING'
    and not stopping
    and total_batches is not null
    and total_batches > (select count(*) from ledger l where l.tenant = j.tenant and l.job = j.id)
    and greatest(
        split_at, (select max(applied_at) from ledger l where l.tenant = j.tenant and l.job = j.id)
    ) < now() - least(60 * power(2, least(stalls, 4)), 600) * interval '1 second'
returning id
