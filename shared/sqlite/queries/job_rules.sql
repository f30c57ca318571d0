-- job_rules
select tenant, dialect, handling, titles, cut from jobs where id = ?1
