-- probe_ids_by_uid: Returns the ids of the users of tenant $1 with the uids $2.
-- `between` with equal bounds, `order by` and `limit 1` make the planner use this key's index: docs/decisions/0005.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select id
    from users
    where tenant = $1 and uid between wanted.key and wanted.key
    order by uid
    limit 1
) u
