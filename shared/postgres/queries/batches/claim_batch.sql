-- claim_batch: Claims batch $3 of job $2 of tenant $1 by its ledger row. A second delivery of the batch waits here
-- until the first one commits, and then inserts nothing.
insert into ledger (tenant, job, batch, first_offset, end_offset) values ($1, $2, $3, $4, $5)
on conflict do nothing
