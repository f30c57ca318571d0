-- delete_attempts: Deletes the recorded attempts of job $1.
delete from attempts where job = $1
