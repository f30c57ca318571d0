-- record_reports_removed: Records that the rejections and warnings of job ?2 of tenant ?1 are removed, if none is left.
update jobs
set reports_removed_at = cast(unixepoch('subsec') * 1000 as integer)
where tenant = ?1
    and id = ?2
    and not exists (select 1 from rejections r where r.tenant = jobs.tenant and r.job = jobs.id)
    and not exists (select 1 from warnings w where w.tenant = jobs.tenant and w.job = jobs.id)
