-- delete_waiting: Deletes the waiting rows of job $2 of tenant $1.
delete from waiting where tenant = $1 and job = $2
