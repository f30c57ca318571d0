-- probe_user: Returns the user of tenant ?1 with key ?2, with the fields that rows can set. Differs from Postgres,
-- which queries the users of a whole batch at once: here a lookup is a call in the same process.
select
    id, version_job, version_line, username_key, email_key, attributes,
    {fields}
from users
where tenant = ?1
    and {key} = ?2
