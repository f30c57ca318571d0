-- probe_ids_by_uid: the users whom the rows of a batch name, failed rows included.
select u.id
from unnest($2::text[]) as wanted (key)
join users u on u.tenant = $1 and u.uid = wanted.key
