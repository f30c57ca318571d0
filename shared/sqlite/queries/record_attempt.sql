-- record_attempt
insert into attempts (job, batch, attempts) values (?1, ?2, 1)
on conflict (job, batch) do update set attempts = attempts.attempts + 1
returning attempts
