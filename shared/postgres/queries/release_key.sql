-- release_key: frees a key that its job has kept long enough.
update jobs
set idempotency_key = null
where tenant = $1 and idempotency_key = $2 and created_at <= now() - $3::bigint * interval '1 millisecond'
