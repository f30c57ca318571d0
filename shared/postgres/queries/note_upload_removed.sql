-- note_upload_removed
update jobs set upload_removed_at = now() where id = $1 and finished_at is not null
