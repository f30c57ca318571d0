-- uploads_without_job: whether this upload is old enough and no job knows it. Differs from Postgres,
-- which is asked about many at once: here a look-up is a call in the same process.
select ?2 < cast(unixepoch('subsec') * 1000 as integer) - ?3
    and not exists (select 1 from jobs where raw_key = ?1)
