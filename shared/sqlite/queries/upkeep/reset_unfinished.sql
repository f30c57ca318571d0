-- reset_unfinished: Voids all leases and splits of running jobs, so that the jobs are split again. total_rows and
-- total_bytes stay: the file does not change.
update jobs
set
    lease_until = null, stalls = 0, stalled_batches = 0, total_batches = null,
    file_error_line = null, file_error_code = null, file_error_message = null
where state = 'PROCESSING' and not stopping
