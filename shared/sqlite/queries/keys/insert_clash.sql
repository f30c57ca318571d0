-- insert_clash: Records that user ?2 of tenant ?1 cannot have its key of kind ?3.
insert into user_clashes (tenant, user_id, kind) values (?1, ?2, ?3) on conflict do nothing
