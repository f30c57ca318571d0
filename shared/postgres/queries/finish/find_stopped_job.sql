-- find_stopped_job: Returns what decides about the waiting rows of job $2 of tenant $1, which is being stopped: whether
-- its file is unreadable (if not, it is canceled), its dialect, and the number and the end of its last batch.
select
    j.file_error_code is not null as is_unreadable, j.dialect,
    (select coalesce(max(l.batch), 0) from ledger l where l.tenant = j.tenant and l.job = j.id) as last_batch,
    (select coalesce(max(l.end_offset), 0) from ledger l where l.tenant = j.tenant and l.job = j.id) as end_offset,
    exists (select 1 from waiting w where w.tenant = j.tenant and w.job = j.id) as has_waiting
from jobs j
where j.tenant = $1 and j.id = $2 and j.state = 'PROCESSING' and j.stopping
