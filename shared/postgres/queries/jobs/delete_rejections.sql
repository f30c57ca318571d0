-- delete_rejections: Deletes the rejections of job $2 of tenant $1.
delete from rejections where tenant = $1 and job = $2
