-- login_is_taken: whether another user than this one has the login.
select exists (select 1 from users where tenant = ?1 and username_key = ?2 and id <> ?3)
