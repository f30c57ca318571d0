-- ledger_rows: Returns the ledger rows of job $1 as one snapshot.
select l.batch, l.created, l.updated, l.unchanged, l.failed, l.warnings, l.end_offset - l.first_offset as bytes,
    l.blocked, l.unblocked
from ledger l
join jobs j on j.tenant = l.tenant and j.id = l.job
where j.id = $1
