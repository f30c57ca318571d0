-- probe_email_holders: who holds the e-mails that the rows of a batch want.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select email_key, id
    from users
    where tenant = $1 and email_key between wanted.key and wanted.key
    order by email_key
    limit 1
) u
