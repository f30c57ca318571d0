-- ledger_counts: Returns the counts of the applied batch $3 of job $2 of tenant $1.
select created, updated, unchanged, failed, warnings, blocked, unblocked
from ledger
where tenant = $1 and job = $2 and batch = $3
