-- Returns the totals of a view, or an empty list if one of its keys is missing. KEYS: bitmap, totals. ARGV: field names.
if redis.call('GETBIT', KEYS[1], 0) ~= 1 or redis.call('HEXISTS', KEYS[2], 'view') ~= 1 then
    return {}
end
return redis.call('HMGET', KEYS[2], unpack(ARGV))
