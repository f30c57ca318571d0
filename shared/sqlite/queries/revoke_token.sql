-- revoke_token
update tokens set revoked_at = cast(unixepoch('subsec') * 1000 as integer) where id = ?1 and revoked_at is null
