-- probe_known_users_by_uid: which uids of a batch have a user, and the digest of a row that changes nothing
-- in it.
select u.uid, u.id, u.row_digest
from unnest($2::text[]) as wanted (key)
join users u on u.tenant = $1 and u.uid = wanted.key
