-- begin_stop: Starts to stop job ?1 because of a file error (?3 to ?5), if fence ?2 is current. Once this is committed,
-- no further batch of the job starts to be applied; complete_stop follows in another transaction.
update jobs
set stopping = true, file_error_line = ?3, file_error_code = ?4, file_error_message = ?5
where id = ?1 and lease_fence = ?2 and state = 'PROCESSING'
returning tenant
