-- probe_ids_by_uid: the users whom the rows of a batch name, failed rows included.
select id
from users
where tenant = $1
    and uid = any($2)
