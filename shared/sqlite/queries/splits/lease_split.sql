-- lease_split: Leases the split of job ?1 for ?2 milliseconds, if the job may run, has cut version ?3 and no
-- lease is valid. Returns the new fencing token, the time, what a splitter needs to read the file, and the number of
-- stalls since the ledger last grew.
update jobs
set
    state = 'PROCESSING',
    started_at = coalesce(started_at, cast(unixepoch('subsec') * 1000 as integer)),
    lease_fence = lease_fence + 1,
    lease_until = cast(unixepoch('subsec') * 1000 as integer) + ?2
where id = ?1
    and state in ('PENDING', 'PROCESSING')
    and not stopping
    and total_batches is null
    and cut_version = ?3
    and (lease_until is null or lease_until < cast(unixepoch('subsec') * 1000 as integer))
    and not exists (
        select 1 from jobs e where e.tenant = jobs.tenant and e.id < jobs.id and e.state in ('PENDING', 'PROCESSING')
    )
returning
    lease_fence, dialect, handling, raw_key, raw_bytes, raw_sha256, raw_encoding, titles, cut, raw_format, raw_charset,
    raw_charset_source, raw_sheet,
    cast(unixepoch('subsec') * 1000 as integer) as leased_ms,
    case
        when (select count(*) from ledger l where l.tenant = jobs.tenant and l.job = jobs.id) > stalled_batches then 0
        else stalls
    end as stalls
