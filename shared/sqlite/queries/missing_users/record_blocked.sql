-- record_blocked: Records that batch ?3 of job ?2 of tenant ?1 blocked ?4 users.
update ledger set blocked = blocked + ?4 where tenant = ?1 and job = ?2 and batch = ?3
