-- The totals of a view, if both its keys are there. KEYS: bitmap, totals. ARGV: names.
if redis.call('GETBIT', KEYS[1], 0) ~= 1 or redis.call('HEXISTS', KEYS[2], 'view') ~= 1 then
    return {}
end
return redis.call('HMGET', KEYS[2], unpack(ARGV))
