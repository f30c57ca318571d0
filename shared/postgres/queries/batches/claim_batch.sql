-- claim_batch: Claims batch $3 of job $2 of tenant $1 by its ledger row. A second delivery of the batch waits here
-- until the first one commits, and then inserts nothing. $6 is its queue, $7 when it was published, in milliseconds.
insert into ledger (tenant, job, batch, first_offset, end_offset, lane, published_at)
values ($1, $2, $3, $4, $5, $6, timestamptz 'epoch' + $7::bigint * interval '1 millisecond')
on conflict do nothing
