-- job_state: Returns the state of job ?2 of tenant ?1.
select state from jobs where tenant = ?1 and id = ?2
