-- ledger_counts
select created, updated, unchanged, failed, warnings, blocked, unblocked
from ledger
where tenant = $1 and job = $2 and batch = $3
