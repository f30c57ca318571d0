-- Users of the Collaborator API: their fields, their uid, and what an import counts of them. They may have
-- no e-mail, which SQLite only learns with a new table.

create table users_new (
    id integer primary key autoincrement,
    tenant integer not null,
    version_job integer not null,
    version_line integer not null,
    created_at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    updated_at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    username_key text not null,
    email_key text,
    email text,
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
    attributes text,
    uid text,
    patronymic text,
    birth_date text,
    gender text,
    city text,
    department text,
    position text,
    tags text,
    phone text,
    blocked_reason text,
    date_of_employment text,
    google_id text,
    facebook_id text,
    work_contact text,
    date_of_assignment_current_position text,
    structure_uid text,
    user_field1 text,
    user_field2 text,
    user_field3 text,
    user_field4 text,
    user_field5 text,
    custom_info text,
    language text,
    role_id text,
    manager_uid text,
    password_hash text
) strict;
insert into users_new (
    id, tenant, version_job, version_line, created_at, updated_at, username_key, email_key, email, username,
    first_name, last_name, work_city, partner_nr, position_ltxt, work_state, intf_publish_dt, position_stxt,
    job_nm, job_view, org_unit_ltxt, org_unit_stxt, cost_center_nm, cost_ctr_ort01, cost_ctr_regio,
    cost_ctr_land1, known_as_nm, network_id, manager_pnr, company_id, attributes
)
select
    id, tenant, version_job, version_line, created_at, updated_at, username_key, email_key, email, username,
    first_name, last_name, work_city, partner_nr, position_ltxt, work_state, intf_publish_dt, position_stxt,
    job_nm, job_view, org_unit_ltxt, org_unit_stxt, cost_center_nm, cost_ctr_ort01, cost_ctr_regio,
    cost_ctr_land1, known_as_nm, network_id, manager_pnr, company_id, attributes
from users;
drop table users;
alter table users_new rename to users;
create unique index users_username_key on users (tenant, username_key);
create unique index users_email_key on users (tenant, email_key);
create unique index users_uid on users (tenant, uid) where uid is not null;

alter table tenants add column missing_users text not null default 'keep' check (missing_users in ('keep', 'block'));
alter table tenants add column missing_guard_percent integer not null default 10;
alter table tenants add column missing_guard_min integer not null default 10;

alter table jobs add column raw_format text not null default 'csv';
alter table jobs add column raw_charset text not null default 'utf-8';
alter table jobs add column blocks_missing integer not null default 0;
alter table jobs add column missing_kept integer;
alter table jobs add column blocked integer not null default 0;
alter table jobs add column unblocked integer not null default 0;

alter table ledger add column blocked integer not null default 0;
alter table ledger add column unblocked integer not null default 0;
alter table ledger add column named text;
alter table ledger add column unnamed integer not null default 0;

alter table rejections add column row_no integer;
