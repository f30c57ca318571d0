-- probe_login_holders: who holds the logins that the rows of a batch want.
select username_key, id
from users
where tenant = $1
    and username_key = any($2)
