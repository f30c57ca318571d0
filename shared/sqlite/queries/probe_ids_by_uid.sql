-- probe_ids_by_uid: the users whom the rows of a batch name, failed rows included, as a JSON array.
select json_group_array(id)
from users
where tenant = ?1
    and uid in (select value from json_each(?2))
