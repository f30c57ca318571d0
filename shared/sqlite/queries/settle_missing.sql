-- settle_missing: claims the last batch of a job that blocks missing users.
insert into ledger (tenant, job, batch, first_offset, end_offset)
values (?1, ?2, ?3, ?4, ?4)
on conflict do nothing
