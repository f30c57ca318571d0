-- allow_all_plans: Allows scans and sorts for an update from the stage, which has no index: with scans disabled, the
-- planner cannot tell good plans from bad ones.
select set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true)
