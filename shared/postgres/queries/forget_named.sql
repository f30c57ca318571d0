-- forget_named: of a job that is final.
update ledger set named = null where tenant = $1 and job = $2 and named is not null
