-- jobs_to_finish: Returns split jobs, not being stopped, that have as many ledger rows as batches.
select j.id
from jobs j
where j.state = 'PROCESSING'
    and not j.stopping
    and j.total_batches = (select count(*) from ledger l where l.tenant = j.tenant and l.job = j.id)
