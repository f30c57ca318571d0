-- block_listed: Blocks those of the users ?4 (a JSON array) of tenant ?1 who are not blocked, as missing users of job
-- ?2. Version line ?3 is greater than every line of the file. Differs from Postgres: users have no row digest that would
-- have to be cleared.
update users
set blocked_reason = 'missing', version_job = ?2, version_line = ?3, updated_at = cast(unixepoch('subsec') * 1000 as integer)
where tenant = ?1
    and id in (select value from json_each(?4))
    and blocked_reason is null
    and version_job <> ?2
