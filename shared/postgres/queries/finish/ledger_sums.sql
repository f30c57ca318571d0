-- ledger_sums: Returns the totals of the ledger of job $2 of tenant $1, and whether its batches join without a gap.
select
    count(*) as batches,
    coalesce(sum(created), 0)::bigint as created,
    coalesce(sum(updated), 0)::bigint as updated,
    coalesce(sum(unchanged), 0)::bigint as unchanged,
    coalesce(sum(failed), 0)::bigint as failed,
    coalesce(sum(warnings), 0)::bigint as warnings,
    coalesce(sum(blocked), 0)::bigint as blocked,
    coalesce(sum(unblocked), 0)::bigint as unblocked,
    coalesce(sum(end_offset - first_offset), 0)::bigint as bytes,
    coalesce(max(end_offset), 0) as end_offset,
    coalesce(bool_and(joins), true) as is_contiguous,
    coalesce(sum(unnamed), 0)::bigint as rows_without_key
from (
    select
        created, updated, unchanged, failed, warnings, blocked, unblocked, unnamed,
        first_offset, end_offset,
        first_offset = lag(end_offset, 1, 0::bigint) over (order by batch) as joins
    from ledger
    where tenant = $1 and job = $2
) as l
