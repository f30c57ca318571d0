-- applied_batches: Returns the applied batches of job $1 with numbers above $2, in ascending order, and how
-- many rows of each failed or wait, and may fail.
select l.batch, l.failed + l.waiting as failed
from ledger l
join jobs j on j.tenant = l.tenant and j.id = l.job
where j.id = $1 and l.batch > $2
order by l.batch
