-- update_user: Updates user ?7 of tenant ?1 with the fields that rows can set; has no effect if its new e-mail, user
-- name or uid is taken. Differs from Postgres: no version is compared, because one writer reads and writes the user in
-- one transaction.
update or ignore users
set
    version_job = ?2,
    version_line = ?3,
    username_key = ?4,
    email_key = ?5,
    attributes = ?6,
    {set_fields from ?8},
    updated_at = cast(unixepoch('subsec') * 1000 as integer)
where tenant = ?1
    and id = ?7
