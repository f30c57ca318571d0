-- release_idempotency_key: Frees idempotency key $2 of tenant $1 if its job was created at least $3 milliseconds ago.
update jobs
set idempotency_key = null
where tenant = $1 and idempotency_key = $2 and created_at <= now() - $3::bigint * interval '1 millisecond'
