-- find_user: Returns the user of tenant $1 with folded user name $2, with all fields.
select
    id, {fields_as_text}, attributes::text as attributes,
    (extract(epoch from created_at) * 1000)::bigint as created_ms,
    (extract(epoch from updated_at) * 1000)::bigint as updated_ms
from users
where tenant = $1
    and username_key = $2
