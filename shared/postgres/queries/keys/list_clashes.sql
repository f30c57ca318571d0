-- list_clashes: Returns the clashes of tenant $1, or of all tenants if null.
select t.name, c.user_id, c.kind
from user_clashes c
join tenants t on t.id = c.tenant
where $1::bigint is null or c.tenant = $1
order by t.name, c.user_id, c.kind
