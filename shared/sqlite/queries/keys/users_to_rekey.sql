-- users_to_rekey: Returns up to ?3 users after user ?2 of tenant ?1 whose keys may differ between versions of the rules: those
-- with characters beyond ASCII or with an encoded domain.
select tenant, id, username, email, uid, username_key, email_key
from users
where (tenant, id) > (?1, ?2)
    and (username glob '*[^' || char(1) || '-' || char(127) || ']*' or email glob '*[^' || char(1) || '-' || char(127) || ']*'
        or uid glob '*[^' || char(1) || '-' || char(127) || ']*' or email like '%xn--%')
order by tenant, id
limit ?3
