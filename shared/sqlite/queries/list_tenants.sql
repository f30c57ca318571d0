-- list_tenants
select id, name, short_rows from tenants order by name
