-- delete_ledger
delete from ledger where tenant = ?1 and job = ?2
