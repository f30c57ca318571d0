-- renew_lease
update jobs
set lease_until = cast(unixepoch('subsec') * 1000 as integer) + ?3
where id = ?1 and lease_fence = ?2 and state = 'PROCESSING' and not stopping
