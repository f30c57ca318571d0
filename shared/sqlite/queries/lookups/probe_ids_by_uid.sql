-- probe_ids_by_uid: Returns the ids of the users of tenant ?1 with the uids ?2, as a JSON array. Differs from Postgres,
-- whose ledger has a column of arrays.
select json_group_array(id)
from users
where tenant = ?1
    and uid in (select value from json_each(?2))
