-- next_deleted_job: Returns the first deleted job whose ledger and rejections are not removed yet.
select tenant, job from deleted_jobs order by deleted_at limit 1
