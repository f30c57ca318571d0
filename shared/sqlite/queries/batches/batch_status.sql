-- batch_status: Returns the state of job ?1, and the counts of its batch ?2 if that is applied.
select
    j.state, j.stopping, j.total_batches,
    l.created, l.updated, l.unchanged, l.failed, l.warnings, l.blocked, l.unblocked
from jobs j
left join ledger l on l.tenant = j.tenant and l.job = j.id and l.batch = ?2
where j.id = ?1
