-- uploads_to_remove: Returns up to ?2 stored uploads of jobs that have been final for at least ?1 milliseconds, with
-- their raw-store keys; earliest end first, after the job ?4 that ended ?3 microseconds after 1970 (from the start if
-- null).
select id, raw_key, finished_at * 1000 as finished_us
from jobs
where finished_at is not null
    and upload_removed_at is null
    and finished_at <= cast(unixepoch('subsec') * 1000 as integer) - ?1
    and (?3 is null or (finished_at, id) > (?3 / 1000, ?4))
order by finished_at, id
limit ?2
