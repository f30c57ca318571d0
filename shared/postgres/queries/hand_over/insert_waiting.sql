-- insert_waiting: Inserts waiting rows of job $2 of tenant $1, given as one array for each column.
insert into waiting (tenant, job, line, key, email_key, login_key, is_complete, row)
select $1, $2, w.line, w.key, w.email_key, w.login_key, w.is_complete, w.row
from unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[])
    as w (line, key, email_key, login_key, is_complete, row)
