-- The first schema. Keys of users, ledger and rejections begin with the tenant, so that they can be
-- partitioned or distributed by it later.

create table tenants (
    id bigint generated always as identity constraint tenants_pkey primary key,
    name text not null constraint tenants_name_unique unique,
    short_rows text not null constraint tenants_short_rows_known check (short_rows in ('fail', 'pad')),
    created_at timestamptz not null default now()
);

create table tokens (
    id bigint generated always as identity constraint tokens_pkey primary key,
    tenant bigint not null constraint tokens_tenant_fkey references tenants (id),
    sha256 bytea not null constraint tokens_sha256_unique unique,
    prefix text not null,
    scopes text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

create table jobs (
    id bigint generated always as identity constraint jobs_pkey primary key,
    tenant bigint not null constraint jobs_tenant_fkey references tenants (id),
    dialect text not null,
    handling text not null,
    state text not null default 'PENDING'
        constraint jobs_state_known check (state in ('PENDING', 'PROCESSING', 'SUCCESS', 'FAILED', 'CANCELED')),
    stopping boolean not null default false,
    raw_key text not null,
    raw_bytes bigint not null,
    raw_sha256 bytea not null,
    raw_encoding text not null,
    titles text not null,
    cut text not null,
    cut_version integer not null,
    lease_fence bigint not null default 0,
    lease_until timestamptz,
    stalls integer not null default 0,
    total_batches integer,
    total_rows bigint,
    total_bytes bigint,
    file_error_line bigint,
    file_error_code text,
    file_error_message text,
    created bigint,
    updated bigint,
    unchanged bigint,
    failed bigint,
    warnings bigint,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    split_at timestamptz,
    finished_at timestamptz,
    constraint jobs_final_has_counts check (
        (state in ('SUCCESS', 'FAILED', 'CANCELED')) = (finished_at is not null and created is not null)
    )
);
create index jobs_of_tenant on jobs (tenant, id);
create index jobs_unfinished on jobs (tenant, id) where state in ('PENDING', 'PROCESSING');

-- One row for each applied batch, committed together with its users.
create table ledger (
    tenant bigint not null,
    job bigint not null,
    batch integer not null,
    first_offset bigint not null,
    end_offset bigint not null,
    created integer not null default 0,
    updated integer not null default 0,
    unchanged integer not null default 0,
    failed integer not null default 0,
    warnings integer not null default 0,
    applied_at timestamptz not null default now(),
    constraint ledger_pkey primary key (tenant, job, batch)
);

create table rejections (
    tenant bigint not null,
    job bigint not null,
    line bigint not null,
    column_title text,
    code text not null,
    message text not null,
    constraint rejections_pkey primary key (tenant, job, line)
);

-- How often a redelivered batch was begun again.
create table attempts (
    job bigint not null,
    batch integer not null,
    attempts integer not null,
    constraint attempts_pkey primary key (job, batch)
);

-- Who does a task that only one process may do.
create table leaders (
    task text constraint leaders_pkey primary key,
    holder text not null,
    until timestamptz not null
);

-- No foreign keys: COPY pays for them row by row. The free space lets updates stay on their page.
create table users (
    tenant bigint not null,
    id bigint generated always as identity,
    version_job bigint not null,
    version_line bigint not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    username_key text not null,
    email_key text not null,
    email text not null,
    username text not null,
    first_name text not null,
    last_name text not null,
    work_city text,
    partner_nr text,
    position_ltxt text,
    work_state text,
    intf_publish_dt date,
    position_stxt text,
    job_nm text,
    job_view text,
    org_unit_ltxt text,
    org_unit_stxt text,
    cost_center_nm text,
    cost_ctr_ort01 text,
    cost_ctr_regio text,
    cost_ctr_land1 text,
    known_as_nm text,
    network_id text,
    manager_pnr text,
    company_id text,
    attributes jsonb,
    constraint users_pkey primary key (tenant, id)
) with (fillfactor = 90);
create unique index users_username_key on users (tenant, username_key);
create unique index users_email_key on users (tenant, email_key);
