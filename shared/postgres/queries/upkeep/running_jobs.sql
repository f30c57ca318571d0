-- running_jobs: Returns the jobs that are being processed and not being stopped: the number of their applied batches,
-- the number of all batches and the time of the split, if the file is split, and whether the missing batches are
-- overdue. They are when none was applied for 1 minute (then 2, 4, 8 and 10, as long as the ledger does not grow
-- between two stalls).
select
    j.id, j.total_batches, l.applied,
    (extract(epoch from j.split_at) * 1000)::bigint as split_ms,
    coalesce(
        j.total_batches > l.applied
        and greatest(j.split_at, l.last_at)
            < now()
            - least(60 * power(2, least(case when l.applied > j.stalled_batches then 0 else j.stalls end, 4)), 600)
            * interval '1 second',
        false
    ) as is_overdue
from jobs j
cross join lateral (
    select count(*) as applied, max(applied_at) as last_at from ledger e where e.tenant = j.tenant and e.job = j.id
) as l
where j.state = 'PROCESSING' and not j.stopping
