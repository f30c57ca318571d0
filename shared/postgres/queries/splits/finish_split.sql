-- finish_split: Records the result of the split of job $1 and ends its lease, if fence $2 is current, the job is
-- running, and no batch after the last one of this split is applied. (The extra batch at the end of a job has no bytes.)
update jobs
set
    total_batches = $3, total_rows = $4, total_bytes = $5, blank_rows = $9, skipped_lines = $10,
    file_error_line = $6, file_error_code = $7, file_error_message = $8,
    split_at = now(), lease_until = null
where id = $1 and lease_fence = $2 and state = 'PROCESSING' and not stopping
    and not exists (
        select 1
        from ledger l
        where l.tenant = jobs.tenant and l.job = jobs.id and l.batch > $3 and l.end_offset > l.first_offset
    )
