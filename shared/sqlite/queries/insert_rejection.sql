-- insert_rejection
insert into rejections (tenant, job, line, column_title, code, message, row_no) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
