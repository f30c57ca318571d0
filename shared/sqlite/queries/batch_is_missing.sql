-- batch_is_missing: whether an unfinished job still waits for this batch.
select exists (
    select 1
    from jobs j
    where j.id = ?1
        and j.state in ('PENDING', 'PROCESSING')
        and not j.stopping
        and not exists (select 1 from ledger l where l.tenant = j.tenant and l.job = j.id and l.batch = ?2)
)
