-- claim_final_batch: Claims the extra batch ?3 at the end of job ?2 of tenant ?1, in which waiting rows are decided and
-- missing users are blocked; has no effect if it is already claimed.
insert into ledger (tenant, job, batch, first_offset, end_offset)
values (?1, ?2, ?3, ?4, ?4)
on conflict do nothing
