-- count_missing: Returns the number of missing users of job $2 of tenant $1, and the number of all active users with a
-- uid.
with named as (
    select distinct unnest(named) as id from ledger where tenant = $1 and job = $2
)
select
    count(*) filter (
        where u.version_job <> $2 and not exists (select 1 from named n where n.id = u.id)
    ) as missing,
    count(*) as active
from users u
where u.tenant = $1
    and u.uid is not null
    and u.blocked_reason is null
