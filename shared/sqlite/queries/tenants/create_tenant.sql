-- create_tenant: Inserts a tenant and returns its id; returns no row if the name is taken.
insert into tenants (name, short_rows, missing_users, missing_guard_percent, missing_guard_min)
values (?1, ?2, ?3, ?4, ?5)
on conflict do nothing
returning id
