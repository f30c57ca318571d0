-- list_tokens: Returns the tokens of tenant ?1, oldest first.
select id, prefix, scopes, created_at, expires_at, revoked_at from tokens where tenant = ?1 order by id
