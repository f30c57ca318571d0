-- clear_named_users: Clears the ids of named users in the ledger of job ?2 of tenant ?1, which is final and no longer
-- needs them.
update ledger set named = null where tenant = ?1 and job = ?2 and named is not null
