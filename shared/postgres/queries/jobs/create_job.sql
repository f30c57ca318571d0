-- create_job: Inserts a job and returns its id. The caller holds the lock of lock_tenant.
insert into jobs (
    tenant, dialect, handling, raw_key, raw_bytes, raw_sha256, raw_encoding, titles, cut, cut_version, idempotency_key,
    raw_format, raw_charset, blocks_missing, raw_charset_source, ignored_keys, raw_sheet
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
returning id
