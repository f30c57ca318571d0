-- note_reports_removed: unless there are rejections left.
update jobs
set reports_removed_at = cast(unixepoch('subsec') * 1000 as integer)
where tenant = ?1
    and id = ?2
    and not exists (select 1 from rejections r where r.tenant = jobs.tenant and r.job = jobs.id)
