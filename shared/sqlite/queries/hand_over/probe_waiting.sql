-- probe_waiting: Returns what those waiting rows of job ?2 of tenant ?1 name and set that have the key ?3, the e-mail
-- ?4 or the login ?5. Differs from Postgres, which looks up a whole batch at once: here a lookup is a call in the same
-- process.
select key, email_key, login_key from waiting where tenant = ?1 and job = ?2 and key = ?3
union all
select key, email_key, login_key from waiting where tenant = ?1 and job = ?2 and email_key = ?4
union all
select key, email_key, login_key from waiting where tenant = ?1 and job = ?2 and login_key = ?5
