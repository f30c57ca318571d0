-- forget_missing: Forgets the listed missing users of job $2 of tenant $1, which is being stopped.
delete from missing_users where tenant = $1 and job = $2
