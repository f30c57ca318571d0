-- copy_users: Copies new users directly into the table.
copy users (
    tenant, version_job, version_line, row_digest, username_key, email_key, attributes, password_hash,
    {fields}
) from stdin
