-- insert_staged: Inserts the users of the stage except those whose user name, uid or e-mail is taken, and returns the
-- folded user names of the inserted ones.
insert into users (
    tenant, version_job, version_line, row_digest, username_key, email_key, attributes, password_hash,
    {fields}
)
select
    tenant, version_job, version_line, row_digest, username_key, email_key, attributes, password_hash,
    {fields}
from users_stage
on conflict do nothing
returning username_key
