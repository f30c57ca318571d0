-- ledger_sums: Returns the totals of the ledger of job $2 of tenant $1, and whether its batches join without a gap.
select
    count(*), coalesce(sum(created), 0)::bigint, coalesce(sum(updated), 0)::bigint,
    coalesce(sum(unchanged), 0)::bigint, coalesce(sum(failed), 0)::bigint, coalesce(sum(warnings), 0)::bigint,
    coalesce(sum(end_offset - first_offset), 0)::bigint, coalesce(max(end_offset), 0),
    coalesce(bool_and(joins), true), coalesce(sum(blocked), 0)::bigint,
    coalesce(sum(unblocked), 0)::bigint, coalesce(sum(unnamed), 0)::bigint
from (
    select
        created, updated, unchanged, failed, warnings, blocked, unblocked, unnamed,
        first_offset, end_offset,
        first_offset = lag(end_offset, 1, 0::bigint) over (order by batch) as joins
    from ledger
    where tenant = $1 and job = $2
) as l
