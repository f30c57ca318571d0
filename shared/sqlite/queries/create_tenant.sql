-- create_tenant
insert into tenants (name, short_rows, missing_users, missing_guard_percent, missing_guard_min)
values (?1, ?2, ?3, ?4, ?5)
on conflict do nothing
returning id
