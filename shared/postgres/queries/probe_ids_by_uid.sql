-- probe_ids_by_uid: the users whom the rows of a batch name, failed rows included.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select id
    from users
    where tenant = $1 and uid between wanted.key and wanted.key
    order by uid
    limit 1
) u
