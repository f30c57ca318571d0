-- insert_rejection: Inserts one rejection of job ?2 of tenant ?1. Differs from Postgres, which inserts those of a batch
-- at once: here a statement is a call in the same process.
insert into rejections (tenant, job, line, column_title, code, message, row_no) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
