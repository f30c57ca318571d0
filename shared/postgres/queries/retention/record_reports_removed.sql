-- record_reports_removed: Records that the rejections and warnings of job $2 of tenant $1 are
-- removed, if none is left.
update jobs j
set reports_removed_at = now()
where j.tenant = $1
    and j.id = $2
    and not exists (select 1 from rejections r where r.tenant = j.tenant and r.job = j.id)
    and not exists (select 1 from warnings w where w.tenant = j.tenant and w.job = j.id)
