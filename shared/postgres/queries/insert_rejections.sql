-- insert_rejections
insert into rejections (tenant, job, line, column_title, code, message)
select $1, $2, r.line, r.column_title, r.code, r.message
from unnest($3::bigint[], $4::text[], $5::text[], $6::text[]) as r (line, column_title, code, message)
