-- set_username_key: Sets the key of the user name of user ?2 of tenant ?1, unless another user has it.
update users
set username_key = ?3
where tenant = ?1 and id = ?2
    and not exists (select 1 from users o where o.tenant = ?1 and o.username_key = ?3 and o.id <> ?2)
