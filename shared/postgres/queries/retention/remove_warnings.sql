-- remove_warnings: Deletes up to $3 warnings of job $2 of tenant $1, lowest lines first.
delete from warnings
where tenant = $1
    and job = $2
    and (line, column_title) in (
        select line, column_title from warnings where tenant = $1 and job = $2 order by line, column_title limit $3
    )
