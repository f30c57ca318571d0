-- lock_tenant: Locks tenant $1, so that the ids of its jobs become visible in ascending order.
select id from tenants where id = $1 for no key update
