-- jobs_to_stop: Returns jobs whose stop has started and not ended.
select tenant, id from jobs where state = 'PROCESSING' and stopping
