-- users_are_indexed: Returns whether the unique indexes of `users` exist and are valid. Without one, nothing would keep
-- two users apart. The transaction of a batch has locked the table by its writes, so that no index can vanish before
-- its commit.
select count(*) = 4
from pg_index
where indrelid = 'users'::regclass
    and indisunique
    and indisvalid
