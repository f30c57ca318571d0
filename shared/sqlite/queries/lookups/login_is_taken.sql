-- login_is_taken: Returns whether a user of tenant ?1 other than ?3 has folded user name ?2. Differs from Postgres,
-- where probe_user_digests returns the holders of all logins of a batch at once.
select exists (select 1 from users where tenant = ?1 and username_key = ?2 and id <> ?3)
