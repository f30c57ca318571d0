-- insert_waiting: Inserts a waiting row of job ?2 of tenant ?1.
insert into waiting (tenant, job, line, key, email_key, login_key, is_complete, row)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
