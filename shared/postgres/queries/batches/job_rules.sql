-- job_rules: Returns what a worker needs to know about job $1 to apply its batches.
select tenant, dialect, handling, titles, cut, raw_format, blocks_missing from jobs where id = $1
