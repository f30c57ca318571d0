-- Quotas of tenants. 0: no limit.

alter table tenants
    add column max_stored_bytes bigint not null default 0,
    add column max_unfinished_jobs bigint not null default 0,
    add column max_uploads_per_day bigint not null default 0,
    -- The uploads accepted on the last day (UTC) with an upload, counted only if there is a quota for them.
    add column uploads_day date,
    add column uploads_in_day bigint not null default 0;

-- The sum of the stored uploads of a tenant is read from the index alone.
create index jobs_stored_bytes on jobs (tenant) include (raw_bytes) where upload_removed_at is null;
