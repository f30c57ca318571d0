-- release_lease: Ends the lease of job ?1 that has fence ?2. After a stall (?3 = 1), counts the stall; the count
-- restarts at 1 if the ledger has grown since the previous stall.
update jobs
set
    lease_until = null,
    stalls = case when ?3 = 0 then jobs.stalls when s.applied > jobs.stalled_batches then 1 else jobs.stalls + 1 end,
    stalled_batches = case when ?3 = 0 then jobs.stalled_batches else s.applied end
from (
    select count(*) as applied from jobs k join ledger l on l.tenant = k.tenant and l.job = k.id where k.id = ?1
) as s
where jobs.id = ?1 and jobs.lease_fence = ?2
