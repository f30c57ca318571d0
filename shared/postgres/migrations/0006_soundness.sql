-- What keeps a database sound under many jobs, tenants and failed rows.

-- The sweep looks jobs up by the key of their upload.
create index jobs_raw_key on jobs (raw_key) where upload_removed_at is null;
-- Lists of jobs in one state.
create index jobs_of_tenant_in_state on jobs (tenant, state, id);
-- The reconciler reads running jobs every two seconds, whatever the number of waiting ones.
create index jobs_processing on jobs (tenant, id) where state = 'PROCESSING';

-- When a batch was published, and on which queue. A queue delivers in order, so a batch that was published much earlier
-- and is not applied was lost.
alter table ledger
    add column lane text,
    add column published_at timestamptz;
create index ledger_published on ledger (lane, published_at) where published_at is not null;

-- Jobs that a client deleted, until their ledger and their rejections are removed, in pieces.
create table deleted_jobs (
    tenant bigint not null,
    job bigint not null,
    deleted_at timestamptz not null default now(),
    constraint deleted_jobs_pkey primary key (tenant, job)
);
create index deleted_jobs_deleted_at on deleted_jobs (deleted_at);

-- The uploads of jobs that ended at the same time are removed in the order of their ids.
drop index jobs_with_upload;
create index jobs_with_upload on jobs (finished_at, id) where finished_at is not null and upload_removed_at is null;

-- By default a table is vacuumed when a fifth of it has changed: at 100 million users, after 20 million changes.
alter table users set (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);
