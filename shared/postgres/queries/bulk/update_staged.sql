-- update_staged: Updates users from the stage with the fields that rows can set, each only if it still has the version
-- that was read.
update users u
set
    version_job = s.version_job,
    version_line = s.version_line,
    row_digest = s.row_digest,
    username_key = s.username_key,
    email_key = s.email_key,
    attributes = s.attributes,
    {set_fields_from_stage},
    updated_at = now()
from users_stage s
where u.tenant = s.tenant
    and u.id = s.target_id
    and u.version_job = s.probed_job
    and u.version_line = s.probed_line
