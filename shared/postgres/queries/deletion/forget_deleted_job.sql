-- forget_deleted_job: Forgets the deleted job $2 of tenant $1 if none of its rejections and warnings is left.
delete from deleted_jobs d
where d.tenant = $1
    and d.job = $2
    and not exists (select 1 from rejections r where r.tenant = d.tenant and r.job = d.job)
    and not exists (select 1 from warnings w where w.tenant = d.tenant and w.job = d.job)
