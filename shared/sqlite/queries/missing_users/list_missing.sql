-- list_missing: Lists the missing users of job ?2 of tenant ?1, in pieces of ?3 users.
with named as (
    select distinct n.value as id from ledger l, json_each(l.named) n where l.tenant = ?1 and l.job = ?2
),
missing as (
    select u.id, (row_number() over (order by u.id) - 1) / ?3 as piece
    from users u
    where u.tenant = ?1
        and u.uid is not null
        and u.blocked_reason is null
        and u.version_job <> ?2
        and not exists (select 1 from named n where n.id = u.id)
)
insert into missing_users (tenant, job, piece, users)
select ?1, ?2, piece, json_group_array(id) from missing group by piece
