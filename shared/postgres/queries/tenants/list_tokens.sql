-- list_tokens: Returns the tokens of tenant $1, oldest first.
select
    id, prefix, scopes, (extract(epoch from created_at) * 1000)::bigint as created_ms,
    (extract(epoch from expires_at) * 1000)::bigint as expires_ms,
    (extract(epoch from revoked_at) * 1000)::bigint as revoked_ms
from tokens
where tenant = $1
order by id
