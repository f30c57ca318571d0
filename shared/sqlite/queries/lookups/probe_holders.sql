-- probe_holders: Returns the ids of the users of tenant ?1 that hold the folded user name ?2 and the folded e-mail ?3.
-- Differs from Postgres, which returns the holders for all rows of a batch at once.
select
    (select id from users where tenant = ?1 and username_key = ?2) as login_holder,
    (select id from users where tenant = ?1 and email_key = ?3) as email_holder
