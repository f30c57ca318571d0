-- create_token: Inserts a token of tenant $1 that expires after $5 seconds (never if null) and returns its id.
insert into tokens (tenant, sha256, prefix, scopes, expires_at)
values ($1, $2, $3, $4, now() + make_interval(secs => $5::bigint))
returning id
