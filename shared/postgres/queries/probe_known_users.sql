-- probe_known_users: which user names have a user, and the digest of a row that changes nothing in it.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select username_key, id, row_digest
    from users
    where tenant = $1 and username_key between wanted.key and wanted.key
    order by username_key
    limit 1
) u
