-- forget_deleted_job: Forgets the deleted job ?2 of tenant ?1 if none of its rejections and warnings is left.
delete from deleted_jobs
where tenant = ?1
    and job = ?2
    and not exists (
        select 1 from rejections r where r.tenant = deleted_jobs.tenant and r.job = deleted_jobs.job
    )
    and not exists (select 1 from warnings w where w.tenant = deleted_jobs.tenant and w.job = deleted_jobs.job)
