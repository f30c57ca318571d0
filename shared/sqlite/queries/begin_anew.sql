-- begin_anew: no lease holds, and every unfinished job is split again.
-- What was learned about the size of the file stays true.
update jobs
set
    lease_until = null, stalls = 0, stalled_batches = 0, total_batches = null,
    file_error_line = null, file_error_code = null, file_error_message = null
where state = 'PROCESSING' and not stopping
