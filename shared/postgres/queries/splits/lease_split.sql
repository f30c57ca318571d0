-- lease_split: Leases the split of job $1 for $2 milliseconds, if the job may run, has cut version $3 and no
-- lease is valid. Returns the new fencing token, the time, what a splitter needs to read the file, and the number of
-- stalls since the ledger last grew.
update jobs j
set
    state = 'PROCESSING',
    started_at = coalesce(started_at, now()),
    lease_fence = lease_fence + 1,
    lease_until = now() + $2 * interval '1 millisecond'
where id = $1
    and state in ('PENDING', 'PROCESSING')
    and not stopping
    and total_batches is null
    and cut_version = $3
    and (lease_until is null or lease_until < now())
    and not exists (
        select 1 from jobs e where e.tenant = j.tenant and e.id < j.id and e.state in ('PENDING', 'PROCESSING')
    )
returning
    lease_fence, dialect, handling, raw_key, raw_bytes, raw_sha256, raw_encoding, titles, cut, raw_format, raw_charset,
    raw_charset_source, raw_sheet,
    (extract(epoch from now()) * 1000)::bigint as leased_ms,
    case
        when (select count(*) from ledger l where l.tenant = j.tenant and l.job = j.id) > stalled_batches then 0
        else stalls
    end as stalls
