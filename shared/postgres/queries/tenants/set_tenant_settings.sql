-- set_tenant_settings: Replaces the settings of tenant $1.
update tenants
set short_rows = $2, missing_users = $3, missing_guard_percent = $4, missing_guard_min = $5,
    max_stored_bytes = $6, max_unfinished_jobs = $7, max_uploads_per_day = $8,
    max_new_passwords_per_hour = $9, charset = $10, own_titles = $11
where id = $1
