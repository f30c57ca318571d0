-- running_jobs
select id from jobs where state = 'PROCESSING'
