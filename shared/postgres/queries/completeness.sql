-- completeness: is every batch of a split job in the ledger? (a cheap count)
select j.tenant, j.total_batches, j.total_bytes, j.file_error_code is not null, j.blocks_missing
from jobs j
where j.id = $1
    and j.state = 'PROCESSING'
    and not j.stopping
    and j.total_batches is not null
    and j.total_batches = (select count(*) from ledger l where l.tenant = j.tenant and l.job = j.id)
