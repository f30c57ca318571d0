-- take_password_quota: Counts ?2 new passwords of tenant ?1 in this hour, unless its quota forbids them; returns the id of
-- the tenant if they are allowed. The first ones of an hour are always allowed, because a batch may have more than the
-- quota. Differs from Postgres: passwords are counted without a quota too, because a statement either changes or reads.
update tenants
set
    passwords_hour = cast(unixepoch('subsec') as integer) / 3600,
    passwords_in_hour = ?2 + case
        when passwords_hour = cast(unixepoch('subsec') as integer) / 3600 then passwords_in_hour else 0
    end
where id = ?1
    and (
        max_new_passwords_per_hour = 0
        or passwords_hour is not cast(unixepoch('subsec') as integer) / 3600
        or passwords_in_hour + ?2 <= max_new_passwords_per_hour
    )
returning id
