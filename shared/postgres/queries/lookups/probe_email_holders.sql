-- probe_email_holders: Returns the folded e-mails among $2 that users of tenant $1 hold, with the ids of these users.
-- `between` with equal bounds, `order by` and `limit 1` make the planner use this key's index: docs/decisions/0005.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select email_key, id
    from users
    where tenant = $1 and email_key between wanted.key and wanted.key
    order by email_key
    limit 1
) u
