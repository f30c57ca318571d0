-- running_jobs: Returns the jobs in state PROCESSING.
select id from jobs where state = 'PROCESSING'
