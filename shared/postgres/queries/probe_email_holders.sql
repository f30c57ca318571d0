-- probe_email_holders: who holds the e-mails that the rows of a batch want.
select u.email_key, u.id
from unnest($2::text[]) as wanted (key)
join users u on u.tenant = $1 and u.email_key = wanted.key
