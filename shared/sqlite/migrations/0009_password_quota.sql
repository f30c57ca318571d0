-- A quota of new passwords of a tenant. 0: no limit.

alter table tenants add column max_new_passwords_per_hour integer not null default 0;
-- The hour (hours since 1970 UTC) of the last counted password, and the number counted in it.
alter table tenants add column passwords_hour integer;
alter table tenants add column passwords_in_hour integer not null default 0;
