-- remove_rejections: the first so many of a job.
delete from rejections
where tenant = $1
    and job = $2
    and line in (select line from rejections where tenant = $1 and job = $2 order by line limit $3)
