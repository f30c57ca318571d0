-- delete_rejections
delete from rejections where tenant = ?1 and job = ?2
