-- list_tenants: Returns all tenants, ordered by name.
select id, name, short_rows, missing_users, missing_guard_percent, missing_guard_min, max_stored_bytes, max_unfinished_jobs,
    max_uploads_per_day, max_new_passwords_per_hour, charset, own_titles
from tenants order by name
