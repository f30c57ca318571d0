-- block_missing: Blocks the missing users of job $2 of tenant $1. Version line $3 is greater than every line of the
-- file.
with named as (
    select distinct unnest(named) as id from ledger where tenant = $1 and job = $2
)
update users u
set blocked_reason = 'missing', version_job = $2, version_line = $3, row_digest = null, updated_at = now()
where u.tenant = $1
    and u.uid is not null
    and u.blocked_reason is null
    and u.version_job <> $2
    and not exists (select 1 from named n where n.id = u.id)
