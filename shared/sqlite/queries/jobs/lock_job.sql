-- lock_job: Returns the state and raw-store key of job ?2 of tenant ?1. Differs from Postgres: no lock is needed,
-- because there is one writer.
select state, raw_key from jobs where tenant = ?1 and id = ?2
