-- insert_rejections: Inserts the rejections of a batch of job $2 of tenant $1, given as one array for each column.
insert into rejections (tenant, job, line, column_title, code, message, row_no)
select $1, $2, r.line, r.column_title, r.code, r.message, r.row_no
from unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[])
    as r (line, column_title, code, message, row_no)
