-- count_missing: Returns the number of missing users of job $2 of tenant $1, and the number of all active users with a
-- uid. A join, whose memory is bounded: a subquery in the filter of an aggregate would keep all named ids in memory.
select
    count(*) filter (where u.version_job <> $2 and n.id is null) as missing,
    count(*) as active
from users u
left join (
    select distinct unnest(named) as id from ledger where tenant = $1 and job = $2
) as n on n.id = u.id
where u.tenant = $1
    and u.uid is not null
    and u.blocked_reason is null
