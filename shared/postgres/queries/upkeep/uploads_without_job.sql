-- uploads_without_job: Returns the keys among $1, with storage times $2, that are older than $3 milliseconds and belong
-- to no job.
select u.key
from unnest($1::text[], $2::bigint[]) as u (key, stored_ms)
where u.stored_ms < (extract(epoch from now()) * 1000)::bigint - $3
    and not exists (select 1 from jobs j where j.raw_key = u.key and j.upload_removed_at is null)
