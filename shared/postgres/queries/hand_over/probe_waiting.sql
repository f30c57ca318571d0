-- probe_waiting: Returns what those waiting rows of job $2 of tenant $1 name and set that have one of the keys $3,
-- e-mails $4 or logins $5.
select key, email_key, login_key from waiting where tenant = $1 and job = $2 and key = any($3::text[])
union all
select key, email_key, login_key from waiting where tenant = $1 and job = $2 and email_key = any($4::text[])
union all
select key, email_key, login_key from waiting where tenant = $1 and job = $2 and login_key = any($5::text[])
