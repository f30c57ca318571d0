-- close_reports: Hides the rejections of one job from readers, so that no client sees a part of them, and returns the
-- job: the first to end of those that have been final for at least $1 milliseconds and still have rejections to remove.
update jobs
set reports_closed_at = coalesce(reports_closed_at, now())
where id = (
    select id
    from jobs
    where finished_at is not null
        and reports_removed_at is null
        and finished_at <= now() - $1 * interval '1 millisecond'
    order by finished_at
    limit 1
)
returning tenant, id
