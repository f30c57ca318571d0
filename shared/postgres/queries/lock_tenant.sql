-- lock_tenant: makes the ids of a tenant's jobs visible in their order.
select id from tenants where id = $1 for no key update
