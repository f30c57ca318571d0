-- Creates a view from a snapshot of the ledger. KEYS: bitmap, totals. ARGV: bitmap, TTL in seconds,
-- then pairs of field name and amount. Has no effect if there already is a view.
if redis.call('GETBIT', KEYS[1], 0) == 1 and redis.call('HEXISTS', KEYS[2], 'view') == 1 then
    return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'view', 1)
for i = 3, #ARGV, 2 do
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
