-- undo_attempt: Undoes the last recorded attempt at batch $2 of job $1, which the worker aborted itself.
update attempts set attempts = attempts - 1 where job = $1 and batch = $2 and attempts > 0
