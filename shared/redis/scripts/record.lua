-- Counts a batch once. KEYS: bitmap, totals. ARGV: batch, TTL in seconds, then pairs of field name and amount.
-- Returns 1 if the batch was counted now, 0 if it was already counted, -1 if there is no view.
if redis.call('GETBIT', KEYS[1], 0) ~= 1 or redis.call('HEXISTS', KEYS[2], 'view') ~= 1 then
    return -1
end
if redis.call('SETBIT', KEYS[1], ARGV[1], 1) == 1 then
    return 0
end
redis.call('HINCRBY', KEYS[2], 'batches', 1)
for i = 3, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
