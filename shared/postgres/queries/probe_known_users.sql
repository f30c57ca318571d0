-- probe_known_users: which user names of a batch have a user, and the digest of a row that changes nothing
-- in it.
select u.username_key, u.id, u.row_digest
from unnest($2::text[]) as wanted (key)
join users u on u.tenant = $1 and u.username_key = wanted.key
