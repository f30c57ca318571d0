-- name_login_holders: Records in the rejections of job ?2 of tenant ?1 who has the login that the row wanted. The
-- rows are those that waited.
update rejections
set other_id = u.id,
    other_line = case when u.version_job = ?2 then u.version_line end,
    other_blocked = u.blocked_reason is not null
from waiting w
join users u on u.tenant = w.tenant and u.username_key = w.login_key
where w.tenant = ?1 and w.job = ?2
    and rejections.tenant = ?1 and rejections.job = ?2
    and rejections.line = w.line and rejections.code = 'conflict_login'
