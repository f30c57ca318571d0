-- remove_attempts: Deletes up to ?2 recorded attempts of jobs that have been final for more than ?1 milliseconds.
delete from attempts
where (job, batch) in (
    select a.job, a.batch
    from attempts a
    join jobs j on j.id = a.job
    where j.finished_at < cast(unixepoch('subsec') * 1000 as integer) - ?1
    limit ?2
)
