-- delete_job
delete from jobs where tenant = ?1 and id = ?2
