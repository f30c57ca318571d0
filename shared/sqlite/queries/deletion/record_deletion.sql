-- record_deletion: Records that job ?2 of tenant ?1 is deleted, so that its ledger and its rejections are removed
-- later.
insert into deleted_jobs (tenant, job) values (?1, ?2)
