-- update_user: Updates user $8 of tenant $1, if it still has the version ($9, $10) that was read and no other user
-- has its new e-mail or user name.
update users u
set
    version_job = $2,
    version_line = $3,
    username_key = $4,
    email_key = $5,
    attributes = $6::jsonb,
    row_digest = $7,
    {set_fields from $11},
    updated_at = now()
where u.tenant = $1
    and u.id = $8
    and u.version_job = $9
    and u.version_line = $10
    and not exists (select 1 from users o where o.tenant = $1 and o.email_key = $5 and o.id <> $8)
    and not exists (select 1 from users o where o.tenant = $1 and o.username_key = $4 and o.id <> $8)
