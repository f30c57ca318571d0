-- find_grant: Returns the tenant, the scopes and the tenant's settings for the token with digest ?1, unless it is
-- revoked or expired.
select t.tenant, t.scopes, n.short_rows, n.missing_users, n.missing_guard_percent, n.missing_guard_min,
    n.max_stored_bytes, n.max_unfinished_jobs, n.max_uploads_per_day, n.max_new_passwords_per_hour, n.charset,
    n.own_titles
from tokens t
join tenants n on n.id = t.tenant
where t.sha256 = ?1
    and t.revoked_at is null
    and (t.expires_at is null or t.expires_at > cast(unixepoch('subsec') * 1000 as integer))
