-- restart_stalled_splits: Voids the splits of jobs whose missing batches are overdue, so that the jobs are split again,
-- and returns their ids. Batches are overdue when none was applied for 1 minute (then 2, 4, 8 and 10, as long as the
-- ledger does not grow between two stalls). total_rows and total_bytes stay: the file does not change.
update jobs
set
    total_batches = null,
    file_error_line = null, file_error_code = null, file_error_message = null,
    lease_until = null, stalls = s.stalls + 1, stalled_batches = s.applied
from (
    select id, applied, last_at, case when applied > stalled_batches then 0 else stalls end as stalls
    from (
        select
            k.id, k.stalls, k.stalled_batches, k.total_batches, count(l.batch) as applied,
            coalesce(max(l.applied_at), 0) as last_at
        from jobs k
        left join ledger l on l.tenant = k.tenant and l.job = k.id
        where k.state = 'PROCESSING' and not k.stopping and k.total_batches is not null
        group by k.id
    )
    where total_batches > applied
) as s
where jobs.id = s.id
    and max(jobs.split_at, s.last_at)
        < cast(unixepoch('subsec') * 1000 as integer) - min(60 << min(s.stalls, 4), 600) * 1000
returning id
