-- forget_deleted_job: Forgets the deleted job $2 of tenant $1 if none of its rejections is left.
delete from deleted_jobs d
where d.tenant = $1
    and d.job = $2
    and not exists (select 1 from rejections r where r.tenant = d.tenant and r.job = d.job)
