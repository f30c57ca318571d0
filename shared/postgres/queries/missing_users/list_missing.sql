-- list_missing: Lists the missing users of job $2 of tenant $1, in pieces of $3 users.
with named as (
    select distinct unnest(named) as id from ledger where tenant = $1 and job = $2
),
missing as (
    select u.id, (row_number() over (order by u.id) - 1) / $3 as piece
    from users u
    left join named n on n.id = u.id
    where u.tenant = $1
        and u.uid is not null
        and u.blocked_reason is null
        and u.version_job <> $2
        and n.id is null
)
insert into missing_users (tenant, job, piece, users)
select $1, $2, piece, array_agg(id) from missing group by piece
