-- Users of the Collaborator API: their fields, their uid, and what an import counts of them. They may have
-- no e-mail.

alter table users
    alter column email drop not null,
    alter column email_key drop not null,
    add column uid text,
    add column patronymic text,
    add column birth_date date,
    add column gender smallint,
    add column city text,
    add column department text,
    add column position text,
    add column tags json,
    add column phone text,
    add column blocked_reason text,
    add column date_of_employment date,
    add column google_id text,
    add column facebook_id text,
    add column work_contact text,
    add column date_of_assignment_current_position date,
    add column structure_uid json,
    add column user_field1 text,
    add column user_field2 text,
    add column user_field3 text,
    add column user_field4 text,
    add column user_field5 text,
    add column custom_info json,
    add column language text,
    add column role_id bigint,
    add column manager_uid json,
    -- Argon2id in the PHC form; never read back by an import.
    add column password_hash text;
create unique index users_uid on users (tenant, uid) where uid is not null;

alter table tenants
    add column missing_users text not null default 'keep'
        constraint tenants_missing_users_known check (missing_users in ('keep', 'block')),
    add column missing_guard_percent integer not null default 10
        constraint tenants_missing_guard_percent_range check (missing_guard_percent between 0 and 100),
    add column missing_guard_min integer not null default 10
        constraint tenants_missing_guard_min_range check (missing_guard_min >= 0);

alter table jobs
    add column raw_format text not null default 'csv',
    add column raw_charset text not null default 'utf-8',
    add column blocks_missing boolean not null default false,
    -- How many users the guard kept from being blocked.
    add column missing_kept bigint,
    add column blocked bigint not null default 0,
    add column unblocked bigint not null default 0;

alter table ledger
    add column blocked integer not null default 0,
    add column unblocked integer not null default 0,
    -- The users whom rows named without writing them, until the job is final.
    add column named bigint[],
    -- Rows whose uid could not be read.
    add column unnamed integer not null default 0;

alter table rejections add column row_no bigint;
