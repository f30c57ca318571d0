-- restart_stalled_splits: Voids the splits of jobs whose missing batches are overdue, so that the jobs are split again,
-- and returns their ids. Batches are overdue when none was applied for 1 minute (then 2, 4, 8 and 10, as long as the
-- ledger does not grow between two stalls). total_rows and total_bytes stay: the file does not change.
update jobs j
set
    total_batches = null,
    file_error_line = null, file_error_code = null, file_error_message = null,
    lease_until = null, stalls = s.stalls + 1, stalled_batches = s.applied
from (
    select k.id, l.applied, l.last_at, case when l.applied > k.stalled_batches then 0 else k.stalls end as stalls
    from jobs k
    cross join lateral (
        select count(*) as applied, max(applied_at) as last_at from ledger e where e.tenant = k.tenant and e.job = k.id
    ) as l
    where k.state = 'PROCESSING' and not k.stopping and k.total_batches > l.applied
) as s
where j.id = s.id
    and j.state = 'PROCESSING'
    and not j.stopping
    and j.total_batches is not null
    and greatest(j.split_at, s.last_at) < now() - least(60 * power(2, least(s.stalls, 4)), 600) * interval '1 second'
returning j.id
