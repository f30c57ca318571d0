-- ledger_sums: Returns the totals of the ledger of job ?2 of tenant ?1, and whether its batches join without a gap.
select
    count(*), coalesce(sum(created), 0), coalesce(sum(updated), 0), coalesce(sum(unchanged), 0),
    coalesce(sum(failed), 0), coalesce(sum(warnings), 0), coalesce(sum(end_offset - first_offset), 0),
    coalesce(max(end_offset), 0), coalesce(min(joins), 1), coalesce(sum(blocked), 0),
    coalesce(sum(unblocked), 0), coalesce(sum(unnamed), 0)
from (
    select
        created, updated, unchanged, failed, warnings, blocked, unblocked, unnamed,
        first_offset, end_offset,
        first_offset = lag(end_offset, 1, 0) over (order by batch) as joins
    from ledger
    where tenant = ?1 and job = ?2
)
