-- list_tenants: Returns all tenants, ordered by name.
select id, name, short_rows, missing_users, missing_guard_percent, missing_guard_min
from tenants order by name
