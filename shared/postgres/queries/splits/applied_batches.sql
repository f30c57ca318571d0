-- applied_batches: Returns the numbers of the applied batches of job $1 above $2, in ascending order.
select l.batch
from ledger l
join jobs j on j.tenant = l.tenant and j.id = l.job
where j.id = $1 and l.batch > $2
order by l.batch
