-- take_password_quota: Counts $2 new passwords of tenant $1 in this hour, and returns whether its quota allows them. The
-- first ones of an hour are always allowed, because a batch may have more than the quota.
with taken as (
    update tenants
    set
        passwords_hour = extract(epoch from now())::bigint / 3600,
        passwords_in_hour = $2 + case
            when passwords_hour = extract(epoch from now())::bigint / 3600 then passwords_in_hour else 0
        end
    where id = $1
        and max_new_passwords_per_hour > 0
        and (
            passwords_hour is distinct from extract(epoch from now())::bigint / 3600
            or passwords_in_hour + $2 <= max_new_passwords_per_hour
        )
    returning id
)
select
    exists (select 1 from taken)
    or not exists (select 1 from tenants where id = $1 and max_new_passwords_per_hour > 0) as is_allowed
