-- remove_rejections: Deletes up to $3 rejections of job $2 of tenant $1, lowest lines first.
delete from rejections
where tenant = $1
    and job = $2
    and line in (select line from rejections where tenant = $1 and job = $2 order by line limit $3)
