-- allow_only_lookup_plans: Disables scans and sorts again, as at the start of the transaction: contested rows are
-- looked up after the update.
select set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)
