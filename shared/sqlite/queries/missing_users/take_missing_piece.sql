-- take_missing_piece: Takes the first listed piece of the missing users of job ?2 of tenant ?1.
delete from missing_users
where tenant = ?1
    and job = ?2
    and piece = (select min(piece) from missing_users where tenant = ?1 and job = ?2)
returning users
