-- The first schema. Times are milliseconds since 1970 UTC. Ids are never used twice.

create table tenants (
    id integer primary key autoincrement,
    name text not null unique,
    short_rows text not null check (short_rows in ('fail', 'pad')),
    created_at integer not null default (cast(unixepoch('subsec') * 1000 as integer))
) strict;

create table tokens (
    id integer primary key autoincrement,
    tenant integer not null references tenants (id),
    sha256 blob not null unique,
    prefix text not null,
    scopes text not null,
    created_at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    expires_at integer,
    revoked_at integer
) strict;

create table jobs (
    id integer primary key autoincrement,
    tenant integer not null references tenants (id),
    dialect text not null,
    handling text not null,
    state text not null default 'PENDING'
        check (state in ('PENDING', 'PROCESSING', 'SUCCESS', 'FAILED', 'CANCELED')),
    stopping integer not null default 0,
    raw_key text not null,
    raw_bytes integer not null,
    raw_sha256 blob not null,
    raw_encoding text not null,
    titles text not null,
    cut text not null,
    cut_version integer not null,
    lease_fence integer not null default 0,
    lease_until integer,
    stalls integer not null default 0,
    total_batches integer,
    total_rows integer,
    total_bytes integer,
    file_error_line integer,
    file_error_code text,
    file_error_message text,
    created integer,
    updated integer,
    unchanged integer,
    failed integer,
    warnings integer,
    created_at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    started_at integer,
    split_at integer,
    finished_at integer,
    check ((state in ('SUCCESS', 'FAILED', 'CANCELED')) = (finished_at is not null and created is not null))
) strict;
create index jobs_of_tenant on jobs (tenant, id);
create index jobs_unfinished on jobs (tenant, id) where state in ('PENDING', 'PROCESSING');

-- One row for each applied batch, committed together with its users.
create table ledger (
    tenant integer not null,
    job integer not null,
    batch integer not null,
    first_offset integer not null,
    end_offset integer not null,
    created integer not null default 0,
    updated integer not null default 0,
    unchanged integer not null default 0,
    failed integer not null default 0,
    warnings integer not null default 0,
    applied_at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    primary key (tenant, job, batch)
) strict, without rowid;

create table rejections (
    tenant integer not null,
    job integer not null,
    line integer not null,
    column_title text,
    code text not null,
    message text not null,
    primary key (tenant, job, line)
) strict, without rowid;

-- How often a redelivered batch was begun again.
create table attempts (
    job integer not null,
    batch integer not null,
    attempts integer not null,
    primary key (job, batch)
) strict, without rowid;

create table users (
    id integer primary key autoincrement,
    tenant integer not null,
    version_job integer not null,
    version_line integer not null,
    created_at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    updated_at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
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
    intf_publish_dt text,
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
    attributes text
) strict;
create unique index users_username_key on users (tenant, username_key);
create unique index users_email_key on users (tenant, email_key);
