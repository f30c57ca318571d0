-- newest_publication: Returns when the last published of the applied batches of queue $1 was published, in milliseconds
-- since 1970.
select (extract(epoch from max(published_at)) * 1000)::bigint from ledger where lane = $1 and published_at is not null
