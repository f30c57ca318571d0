-- probe_login_holders: who holds the logins that the rows of a batch want.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select username_key, id
    from users
    where tenant = $1 and username_key = wanted.key
    limit 1
) u
