-- record_upload_removed: Records that the stored upload of the final job ?1 was removed.
update jobs set upload_removed_at = cast(unixepoch('subsec') * 1000 as integer) where id = ?1 and finished_at is not null
