-- release_lease: Ends the lease of job $1 that has fence $2. After a stall ($3 = 1), counts the stall; the count
-- restarts at 1 if the ledger has grown since the previous stall.
update jobs j
set
    lease_until = null,
    stalls = case when $3 = 0 then j.stalls when s.applied > j.stalled_batches then 1 else j.stalls + 1 end,
    stalled_batches = case when $3 = 0 then j.stalled_batches else s.applied end
from (
    select count(*) as applied from jobs k join ledger l on l.tenant = k.tenant and l.job = k.id where k.id = $1
) as s
where j.id = $1 and j.lease_fence = $2
