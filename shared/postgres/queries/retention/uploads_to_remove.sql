-- uploads_to_remove: Returns up to $2 jobs that have been final for at least $1 milliseconds and whose upload is still
-- stored, with its raw-store key; earliest end first.
select id, raw_key
from jobs
where finished_at is not null
    and upload_removed_at is null
    and finished_at <= now() - $1 * interval '1 millisecond'
order by finished_at
limit $2
