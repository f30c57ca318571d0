-- find_job: Returns job ?2 of tenant ?1, with the same columns as list_jobs.
select
    id, state, total_bytes, applied_bytes, total_rows, blank_rows, skipped_lines, raw_charset, raw_charset_source, raw_format, raw_sheet, dialect,
    titles, ignored_keys,
    -- Batches are counted in decoded text, whose size is known before the split only if it is stored as it is.
    case when raw_encoding = 'identity' and raw_charset = 'utf-8' then raw_bytes end as plain_bytes,
    file_error_line, file_error_code, file_error_message, created, updated, unchanged, failed, warnings,
    created_at as created_ms, started_at as started_ms, finished_at as finished_ms,
    cast(unixepoch('subsec') * 1000 as integer) as now_ms,
    reports_closed_at is not null as reports_removed, blocked, unblocked, missing_kept,
    case when finished_at is null then (
        select coalesce(sum(l.waiting), 0) from ledger l where l.tenant = jobs.tenant and l.job = jobs.id and l.waiting > 0
    ) else 0 end as waiting_rows
from jobs
where tenant = ?1 and id = ?2
