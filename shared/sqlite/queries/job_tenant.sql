-- job_tenant
select tenant from jobs where id = ?1
