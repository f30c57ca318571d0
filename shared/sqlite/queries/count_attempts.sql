-- count_attempts: how often a batch was begun again.
select coalesce(max(attempts), 0) from attempts where job = ?1 and batch = ?2
