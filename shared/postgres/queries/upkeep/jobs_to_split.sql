-- jobs_to_split: Returns the first unfinished job of each tenant, if it is neither split nor being stopped and no lease
-- on it is valid; the longest-waiting first. Steps from tenant to tenant in the index, because a tenant may have a
-- million waiting jobs.
with recursive first_jobs as (
    (
        select tenant, id
        from jobs
        where state in ('PENDING', 'PROCESSING')
        order by tenant, id
        limit 1
    )
    union all
    select n.tenant, n.id
    from first_jobs f
    cross join lateral (
        select tenant, id
        from jobs
        where state in ('PENDING', 'PROCESSING') and tenant > f.tenant
        order by tenant, id
        limit 1
    ) as n
)
select j.id
from first_jobs f
join jobs j on j.id = f.id
where j.total_batches is null and not j.stopping and (j.lease_until is null or j.lease_until < now())
order by j.id
