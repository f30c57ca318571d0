-- count_attempts: Returns the number of recorded attempts at batch ?2 of job ?1.
select coalesce(max(attempts), 0) from attempts where job = ?1 and batch = ?2
