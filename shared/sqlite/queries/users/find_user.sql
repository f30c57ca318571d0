-- find_user: Returns the user of tenant ?1 with folded user name ?2, with all fields.
select id, {fields}, attributes, created_at as created_ms, updated_at as updated_ms
from users
where tenant = ?1
    and username_key = ?2
