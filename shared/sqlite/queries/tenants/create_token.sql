-- create_token: Inserts a token of tenant ?1 that expires after ?5 seconds (never if null) and returns its id.
insert into tokens (tenant, sha256, prefix, scopes, expires_at)
values (?1, ?2, ?3, ?4, cast(unixepoch('subsec') * 1000 as integer) + ?5 * 1000)
returning id
