-- What upkeep notes in a job: how far its ledger was when it stalled last, and what was removed of it
-- after its end.

alter table jobs
    add column stalled_batches integer not null default 0,
    add column upload_removed_at timestamptz,
    -- From here on nobody sees the rejections any more; they go in pieces.
    add column reports_closed_at timestamptz,
    add column reports_removed_at timestamptz;

create index jobs_with_upload on jobs (finished_at) where finished_at is not null and upload_removed_at is null;
create index jobs_with_reports on jobs (finished_at) where finished_at is not null and reports_removed_at is null;
