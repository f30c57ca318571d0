-- find_job: Returns job ?2 of tenant ?1, with the same columns as list_jobs.
select
    id, state, case when raw_encoding = 'identity' then raw_bytes end, total_bytes, total_rows,
    file_error_line, file_error_code, file_error_message, created, updated, unchanged, failed, warnings,
    created_at, started_at, finished_at, cast(unixepoch('subsec') * 1000 as integer),
    reports_closed_at is not null, blocked, unblocked, missing_kept, dialect
from jobs
where tenant = ?1 and id = ?2
