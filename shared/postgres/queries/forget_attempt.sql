-- forget_attempt: an attempt that was broken off by its own worker does not count.
update attempts set attempts = attempts - 1 where job = $1 and batch = $2 and attempts > 0
