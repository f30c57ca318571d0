-- Returns the totals of a view, or an empty list if one of its keys is missing. KEYS: bitmap, totals. ARGV: field names.
-- Deletes a field that does not exist: on a server that takes no writes, such as a replica after a failover, the view
-- stands still, and this fails.
redis.call('HDEL', KEYS[2], '')
if redis.call('GETBIT', KEYS[1], 0) ~= 1 or redis.call('HEXISTS', KEYS[2], 'view') ~= 1 then
    return {}
end
return redis.call('HMGET', KEYS[2], unpack(ARGV))
