-- block_missing: Blocks the missing users of job ?2 of tenant ?1. Version line ?3 is greater than every line of the
-- file. Differs from Postgres: users have no row digest that would have to be cleared.
with named as (
    select distinct n.value as id from ledger l, json_each(l.named) n where l.tenant = ?1 and l.job = ?2
)
update users as u
set blocked_reason = 'missing', version_job = ?2, version_line = ?3, updated_at = cast(unixepoch('subsec') * 1000 as integer)
where u.tenant = ?1
    and u.uid is not null
    and u.blocked_reason is null
    and u.version_job <> ?2
    and not exists (select 1 from named n where n.id = u.id)
