-- jobs_to_finish
select j.id
from jobs j
where j.state = 'PROCESSING'
    and not j.stopping
    and j.total_batches = (select count(*) from ledger l where l.tenant = j.tenant and l.job = j.id)
