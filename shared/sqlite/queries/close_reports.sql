-- close_reports: takes the job whose rejections are to go next, so that nobody reads a part of them.
update jobs
set reports_closed_at = coalesce(reports_closed_at, cast(unixepoch('subsec') * 1000 as integer))
where id = (
    select id
    from jobs
    where finished_at is not null
        and reports_removed_at is null
        and finished_at <= cast(unixepoch('subsec') * 1000 as integer) - ?1
    order by finished_at
    limit 1
)
returning tenant, id
