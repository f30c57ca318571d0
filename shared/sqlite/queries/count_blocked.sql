-- count_blocked: how many users the last batch of a job has blocked.
update ledger set blocked = ?4 where tenant = ?1 and job = ?2 and batch = ?3
