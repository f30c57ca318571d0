-- find_complete_job: Returns job ?1 if it is split, not being stopped, and has as many ledger rows as batches. This
-- count is cheap; ledger_sums then shows whether the batches cover the file. The extra batch at the end is not counted:
-- if it is there, the missing users are decided.
select j.tenant, j.total_batches, j.total_bytes, j.file_error_code is not null as is_unreadable, j.blocks_missing,
    j.dialect,
    (
        select coalesce(sum(w.waiting), 0) from ledger w where w.tenant = j.tenant and w.job = j.id and w.waiting > 0
    ) as waiting_rows,
    exists (
        select 1 from ledger e where e.tenant = j.tenant and e.job = j.id and e.batch > j.total_batches
    ) as missing_users_are_decided
from jobs j
where j.id = ?1
    and j.state = 'PROCESSING'
    and not j.stopping
    and j.total_batches is not null
    and j.total_batches = (
        select count(*) from ledger l where l.tenant = j.tenant and l.job = j.id and l.batch <= j.total_batches
    )
