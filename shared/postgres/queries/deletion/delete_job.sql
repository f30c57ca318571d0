-- delete_job: Deletes job $2 of tenant $1.
delete from jobs where tenant = $1 and id = $2
