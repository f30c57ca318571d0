-- job_state
select state from jobs where tenant = ?1 and id = ?2
