-- begin_stop: from here on, no batch of the job is begun. Committed before its end is written.
update jobs
set stopping = true, file_error_line = ?3, file_error_code = ?4, file_error_message = ?5
where id = ?1 and lease_fence = ?2 and state = 'PROCESSING'
