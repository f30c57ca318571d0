-- insert_warnings: Inserts the warnings of a batch of job $2 of tenant $1, given as one array for each column.
insert into warnings (tenant, job, line, column_title, row_no, code)
select $1, $2, w.line, w.column_title, w.row_no, w.code
from unnest($3::bigint[], $4::text[], $5::bigint[], $6::text[]) as w (line, column_title, row_no, code)
on conflict do nothing
