-- block_listed: Blocks those of the users $4 of tenant $1 who are not blocked, as missing users of job $2. Version line
-- $3 is greater than every line of the file.
update users
set blocked_reason = 'missing', version_job = $2, version_line = $3, row_digest = null, updated_at = now()
where tenant = $1 and id = any ($4::bigint[]) and blocked_reason is null and version_job <> $2
