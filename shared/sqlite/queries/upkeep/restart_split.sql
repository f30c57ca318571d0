-- restart_split: Voids the split of job ?1, whose missing batches were lost, so that the job is split again.
-- total_rows and total_bytes stay: the file does not change. Counts the stall; the count restarts at 1 if the ledger
-- has grown since the previous stall.
update jobs
set
    total_batches = null,
    file_error_line = null, file_error_code = null, file_error_message = null,
    lease_until = null,
    stalls = case when s.applied > jobs.stalled_batches then 1 else jobs.stalls + 1 end,
    stalled_batches = s.applied
from (
    select count(*) as applied from jobs k join ledger l on l.tenant = k.tenant and l.job = k.id where k.id = ?1
) as s
where jobs.id = ?1 and jobs.state = 'PROCESSING' and not jobs.stopping and jobs.total_batches > s.applied
