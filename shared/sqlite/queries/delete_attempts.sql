-- delete_attempts
delete from attempts where job = ?1
