-- jobs_to_split: Returns the first unfinished job of each tenant, if it is neither split nor being stopped and no lease
-- on it is valid.
select id
from jobs
where id in (select min(id) from jobs where state in ('PENDING', 'PROCESSING') group by tenant)
    and total_batches is null
    and not stopping
    and (lease_until is null or lease_until < cast(unixepoch('subsec') * 1000 as integer))
