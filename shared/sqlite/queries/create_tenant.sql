-- create_tenant
insert into tenants (name, short_rows) values (?1, ?2) on conflict do nothing returning id
