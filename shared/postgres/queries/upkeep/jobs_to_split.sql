-- jobs_to_split: Returns the first unfinished job of each tenant, if it is neither split nor being stopped and no lease
-- on it is valid.
select id
from (
    select distinct on (tenant) id, total_batches, lease_until, stopping
    from jobs
    where state in ('PENDING', 'PROCESSING')
    order by tenant, id
) as first
where total_batches is null and not stopping and (lease_until is null or lease_until < now())
