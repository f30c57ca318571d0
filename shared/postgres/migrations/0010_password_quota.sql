-- A quota of new passwords of a tenant. 0: no limit.

alter table tenants
    add column max_new_passwords_per_hour bigint not null default 0,
    -- The hour (hours since 1970 UTC) of the last counted password, and the number counted in it.
    add column passwords_hour bigint,
    add column passwords_in_hour bigint not null default 0;
