-- probe_new_uids: Returns the uids among ?4 that no user of tenant ?1 has; returns none if batch ?3 of job ?2 is in the
-- ledger.
select n.value
from json_each(?4) n
where not exists (select 1 from users u where u.tenant = ?1 and u.uid = n.value)
    and not exists (select 1 from ledger l where l.tenant = ?1 and l.job = ?2 and l.batch = ?3)
