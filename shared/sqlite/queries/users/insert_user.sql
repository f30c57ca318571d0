-- insert_user: Inserts one user; has no effect if its user name, uid or e-mail is taken.
insert into users (
    tenant, version_job, version_line, username_key, email_key, attributes, password_hash,
    {fields}
)
values (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7,
    {field_values from ?8}
)
on conflict do nothing
