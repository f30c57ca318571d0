-- newest_publication: Returns when the last published of the applied batches of queue ?1 was published, in milliseconds
-- since 1970.
select max(published_at) from ledger where lane = ?1 and published_at is not null
