-- revoke_token: Revokes token ?1; has no effect if it does not exist or is already revoked.
update tokens set revoked_at = cast(unixepoch('subsec') * 1000 as integer) where id = ?1 and revoked_at is null
