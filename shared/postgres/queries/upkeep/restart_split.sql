-- restart_split: Voids the split of job $1, whose missing batches were lost, so that the job is split again.
-- total_rows and total_bytes stay: the file does not change. Counts the stall; the count restarts at 1 if the ledger
-- has grown since the previous stall.
update jobs j
set
    total_batches = null,
    file_error_line = null, file_error_code = null, file_error_message = null,
    lease_until = null,
    stalls = case when s.applied > j.stalled_batches then 1 else j.stalls + 1 end,
    stalled_batches = s.applied
from (
    select count(*) as applied from jobs k join ledger l on l.tenant = k.tenant and l.job = k.id where k.id = $1
) as s
where j.id = $1 and j.state = 'PROCESSING' and not j.stopping and j.total_batches > s.applied
