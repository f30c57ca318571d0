-- jobs_to_stop: stops that were begun.
select tenant, id from jobs where state = 'PROCESSING' and stopping
