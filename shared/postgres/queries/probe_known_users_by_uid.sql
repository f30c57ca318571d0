-- probe_known_users_by_uid: which uids of a batch have a user, and the digest of a row that changes nothing
-- in it.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select uid, id, row_digest
    from users
    where tenant = $1 and uid between wanted.key and wanted.key
    order by uid
    limit 1
) u
