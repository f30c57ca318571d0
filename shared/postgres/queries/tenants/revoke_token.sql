-- revoke_token: Revokes token $1; has no effect if it does not exist or is already revoked.
update tokens set revoked_at = now() where id = $1 and revoked_at is null
