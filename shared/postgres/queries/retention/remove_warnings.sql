-- remove_warnings: Deletes up to $3 warnings of job $2 of tenant $1, lowest lines first. By their places: joined by their
-- keys, each piece would read all that are left.
delete from warnings
where ctid = any(array(
    select ctid from warnings where tenant = $1 and job = $2 order by line, column_title limit $3
))
