-- list_tokens: Returns the tokens of tenant ?1, oldest first.
select id, prefix, scopes, created_at as created_ms, expires_at as expires_ms, revoked_at as revoked_ms
from tokens where tenant = ?1 order by id
