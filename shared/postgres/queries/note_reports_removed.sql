-- note_reports_removed: unless there are rejections left.
update jobs j
set reports_removed_at = now()
where j.tenant = $1
    and j.id = $2
    and not exists (select 1 from rejections r where r.tenant = j.tenant and r.job = j.id)
