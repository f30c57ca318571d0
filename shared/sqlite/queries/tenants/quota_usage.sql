-- quota_usage: Returns what counts against the quotas of tenant ?1. A day begins at midnight UTC.
select
    (select coalesce(sum(raw_bytes), 0) from jobs where tenant = ?1 and upload_removed_at is null) as stored_bytes,
    (select count(*) from jobs where tenant = ?1 and state in ('PENDING', 'PROCESSING')) as unfinished_jobs,
    case when uploads_day = date('now') then uploads_in_day else 0 end as uploads_in_day
from tenants where id = ?1
