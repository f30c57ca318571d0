-- job_rules
select tenant, dialect, handling, titles, cut, raw_format, blocks_missing from jobs where id = $1
