-- allow_all_plans: for an update from the stage. The stage has no index, and a planner that may not scan it takes any
-- plan for as good as another.
select set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true)
