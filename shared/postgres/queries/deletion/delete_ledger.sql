-- delete_ledger: Deletes the ledger rows of job $2 of tenant $1.
delete from ledger where tenant = $1 and job = $2
