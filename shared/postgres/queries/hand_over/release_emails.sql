-- release_emails: Takes the e-mails from the users $2 of tenant $1 who are about to get the folded e-mails $3 instead,
-- so that others can take them. Their texts stay until the rows are applied, which may warn of the changes.
update users u
set email_key = null
from unnest($2::bigint[], $3::text[]) as m (id, email_key)
where u.tenant = $1 and u.id = m.id and u.email_key is distinct from m.email_key
