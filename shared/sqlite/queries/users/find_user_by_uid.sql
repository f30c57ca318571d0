-- find_user_by_uid: Returns the user of tenant ?1 with uid ?2, with all fields.
select id, {fields}, attributes, created_at as created_ms, updated_at as updated_ms
from users
where tenant = ?1
    and uid = ?2
