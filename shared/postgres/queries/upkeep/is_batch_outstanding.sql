-- is_batch_outstanding: Returns whether job $1 is unfinished and still waits for batch $2.
select exists (
    select 1
    from jobs j
    where j.id = $1
        and j.state in ('PENDING', 'PROCESSING')
        and not j.stopping
        and not exists (select 1 from ledger l where l.tenant = j.tenant and l.job = j.id and l.batch = $2)
)
