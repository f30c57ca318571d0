-- probe_user_digests: Returns existing users of tenant $1 by key ($2), with the digest of the row that last wrote them.
-- `between` with equal bounds, `order by` and `limit 1` make the planner use this key's index: docs/decisions/0005.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select {key}, id, row_digest
    from users
    where tenant = $1 and {key} between wanted.key and wanted.key
    order by {key}
    limit 1
) u
