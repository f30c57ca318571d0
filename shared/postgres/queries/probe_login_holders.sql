-- probe_login_holders: who holds the logins that the rows of a batch want.
select u.username_key, u.id
from unnest($2::text[]) as wanted (key)
join users u on u.tenant = $1 and u.username_key = wanted.key
