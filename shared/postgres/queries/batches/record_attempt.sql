-- record_attempt: Records an attempt at the redelivered batch $2 of job $1 and returns the number of recorded attempts.
insert into attempts (job, batch, attempts) values ($1, $2, 1)
on conflict (job, batch) do update set attempts = attempts.attempts + 1
returning attempts
