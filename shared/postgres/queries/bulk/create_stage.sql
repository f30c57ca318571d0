-- create_stage: Creates the stage: a temporary table of this connection that is emptied at each commit.
create temporary table if not exists users_stage (
    target_id bigint,
    probed_job bigint,
    probed_line bigint,
    tenant bigint,
    version_job bigint,
    version_line bigint,
    row_digest bytea,
    username_key text,
    email_key text,
    attributes jsonb,
    password_hash text,
    {fields_with_types}
) on commit delete rows
