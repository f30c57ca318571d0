-- uploads_to_remove: of jobs that have been final for long enough, oldest first.
select id, raw_key
from jobs
where finished_at is not null
    and upload_removed_at is null
    and finished_at <= cast(unixepoch('subsec') * 1000 as integer) - ?1
order by finished_at
limit ?2
