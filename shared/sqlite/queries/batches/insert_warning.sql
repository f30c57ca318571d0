-- insert_warning: Inserts a warning of job ?2 of tenant ?1.
insert or ignore into warnings (tenant, job, line, column_title, row_no, code) values (?1, ?2, ?3, ?4, ?5, ?6)
