-- probe_email_holders: who holds the e-mails that the rows of a batch want.
select email_key, id
from users
where tenant = $1
    and email_key = any($2)
