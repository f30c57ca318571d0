-- number_waiting: Returns the waiting rows of job ?2 of tenant ?1 in line order. Equal keys, e-mails and logins have
-- equal numbers; each row has the ids of the users with its key, its e-mail and its login.
select
    w.line, w.is_complete,
    dense_rank() over (order by w.key) as key_number,
    case when w.email_key is not null then dense_rank() over (order by w.email_key) end as email_number,
    case when w.login_key is not null then dense_rank() over (order by w.login_key) end as login_number,
    u.id as user_id, e.id as email_holder, l.id as login_holder,
    l.id is not null and l.uid is null as is_adoptable
from waiting w
left join users u on u.tenant = w.tenant and u.{key} = w.key
left join users e on e.tenant = w.tenant and e.email_key = w.email_key
left join users l on l.tenant = w.tenant and l.username_key = w.login_key
where w.tenant = ?1 and w.job = ?2
order by w.line
