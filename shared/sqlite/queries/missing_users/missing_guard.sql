-- missing_guard: Returns the limits of tenant ?1 for the number of missing users that one file may block.
select missing_guard_percent, missing_guard_min from tenants where id = ?1
