-- first_unfinished: the job of a tenant that may run.
select min(id) from jobs where tenant = ?1 and state in ('PENDING', 'PROCESSING')
