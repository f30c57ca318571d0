-- block_missing: blocks the users whom no row of a job has named. Behind its last line, as its last batch.
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
