-- running_jobs: Returns the jobs that are being processed and not being stopped: the number of their applied batches,
-- the number of all batches and the time of the split, if the file is split, and whether the missing batches are
-- overdue. They are when none was applied for 1 minute (then 2, 4, 8 and 10, as long as the ledger does not grow
-- between two stalls).
select
    id, total_batches, applied, split_ms,
    coalesce(
        total_batches > applied
        and max(split_ms, last_ms)
            < cast(unixepoch('subsec') * 1000 as integer)
            - min(60 << min(case when applied > stalled_batches then 0 else stalls end, 4), 600) * 1000,
        0
    ) as is_overdue
from (
    select
        j.id, j.total_batches, j.stalls, j.stalled_batches, j.split_at as split_ms, count(l.batch) as applied,
        coalesce(max(l.applied_at), 0) as last_ms
    from jobs j
    left join ledger l on l.tenant = j.tenant and l.job = j.id
    where j.state = 'PROCESSING' and not j.stopping
    group by j.id
)
