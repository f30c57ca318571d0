-- tenant_guard: how many missing users one file may block.
select missing_guard_percent, missing_guard_min from tenants where id = $1
