-- list_tenants
select id, name, short_rows, missing_users, missing_guard_percent, missing_guard_min
from tenants order by name
