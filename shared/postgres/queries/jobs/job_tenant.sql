-- job_tenant: Returns the tenant of job $1.
select tenant from jobs where id = $1
