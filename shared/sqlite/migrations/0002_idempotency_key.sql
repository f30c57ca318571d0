-- The name that a client gave to an upload, so that sending it again makes no second job.

alter table jobs add column idempotency_key text;
create unique index jobs_idempotency_key on jobs (tenant, idempotency_key) where idempotency_key is not null;
