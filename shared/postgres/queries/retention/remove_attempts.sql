-- remove_attempts: Deletes up to $2 recorded attempts of jobs that have been final for more than $1 milliseconds.
delete from attempts
where (job, batch) in (
    select a.job, a.batch
    from attempts a
    join jobs j on j.id = a.job
    where j.finished_at < now() - $1 * interval '1 millisecond'
    limit $2
)
