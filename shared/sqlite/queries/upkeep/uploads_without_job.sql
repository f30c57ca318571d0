-- uploads_without_job: Returns whether upload ?1, with storage time ?2, is older than ?3 milliseconds and belongs to no
-- job. Differs from Postgres, which checks many uploads at once: here a lookup is a call in the same process.
select ?2 < cast(unixepoch('subsec') * 1000 as integer) - ?3
    and not exists (select 1 from jobs where raw_key = ?1 and upload_removed_at is null)
