-- probe_new_uids: Returns the uids among $4 that no user of tenant $1 has; returns none if batch $3 of job $2 is in the
-- ledger.
select n.uid
from unnest($4::text[]) as n (uid)
left join lateral (
    select id from users where tenant = $1 and uid between n.uid and n.uid order by uid limit 1
) u on true
where u.id is null
    and not exists (select 1 from ledger l where l.tenant = $1 and l.job = $2 and l.batch = $3)
