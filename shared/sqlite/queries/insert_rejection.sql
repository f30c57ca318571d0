-- insert_rejection
insert into rejections (tenant, job, line, column_title, code, message) values (?1, ?2, ?3, ?4, ?5, ?6)
