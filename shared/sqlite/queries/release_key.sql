-- release_key: frees a key that its job has kept long enough.
update jobs
set idempotency_key = null
where tenant = ?1 and idempotency_key = ?2 and created_at <= cast(unixepoch('subsec') * 1000 as integer) - ?3
