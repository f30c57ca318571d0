-- renew_lease
update jobs
set lease_until = now() + $3 * interval '1 millisecond'
where id = $1 and lease_fence = $2 and state = 'PROCESSING' and not stopping
