-- release_logins: Takes the logins from the users $2 of tenant $1 who are about to get the folded logins $3 instead. No
-- folded login has the character in the key that they have meanwhile.
update users u
set username_key = e'\x01' || u.id
from unnest($2::bigint[], $3::text[]) as m (id, username_key)
where u.tenant = $1 and u.id = m.id and u.username_key is distinct from m.username_key
