-- uploads_to_remove: Returns up to $2 stored uploads of jobs that have been final for at least $1 milliseconds, with
-- their raw-store keys; earliest end first, after the job $4 that ended $3 microseconds after 1970 (from the start if
-- null).
select id, raw_key, (extract(epoch from finished_at) * 1000000)::bigint as finished_us
from jobs
where finished_at is not null
    and upload_removed_at is null
    and finished_at <= now() - $1 * interval '1 millisecond'
    and (
        $3::bigint is null
        or (finished_at, id) > (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4::bigint)
    )
order by finished_at, id
limit $2
