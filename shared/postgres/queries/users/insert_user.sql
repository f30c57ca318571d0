-- insert_user: Inserts one user and returns its id; has no effect if its user name, uid or e-mail is taken.
insert into users (
    tenant, version_job, version_line, username_key, email_key, attributes, row_digest, password_hash,
    {fields}
)
values (
    $1, $2, $3, $4, $5, $6::jsonb, $7, $8,
    {field_values from $9}
)
on conflict do nothing
returning id
