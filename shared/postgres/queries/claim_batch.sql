-- claim_batch: whoever comes second waits here and then finds it taken.
insert into ledger (tenant, job, batch, first_offset, end_offset) values ($1, $2, $3, $4, $5)
on conflict do nothing
