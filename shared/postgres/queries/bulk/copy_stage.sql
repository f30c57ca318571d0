-- copy_stage: Copies users into the stage, for update_staged or insert_staged.
copy users_stage (
    target_id, probed_job, probed_line,
    tenant, version_job, version_line, row_digest, username_key, email_key, attributes, password_hash,
    {fields}
) from stdin
