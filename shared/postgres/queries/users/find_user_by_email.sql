-- find_user_by_email: Returns the user of tenant $1 with folded e-mail $2, with all fields.
select
    id, {fields_as_text}, attributes::text as attributes,
    (extract(epoch from created_at) * 1000)::bigint as created_ms,
    (extract(epoch from updated_at) * 1000)::bigint as updated_ms
from users
where tenant = $1
    and email_key = $2
