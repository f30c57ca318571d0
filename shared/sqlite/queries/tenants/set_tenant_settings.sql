-- set_tenant_settings: Replaces the settings of tenant ?1.
update tenants
set short_rows = ?2, missing_users = ?3, missing_guard_percent = ?4, missing_guard_min = ?5
where id = ?1
