-- allow_look_ups_only: as when the transaction began; contested rows are looked up after the update.
select set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)
