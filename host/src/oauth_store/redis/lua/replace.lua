
-- name, value, ttl (0: what is left of it), expected → 1, or 0 when the record is another or missing
if redis.call('GET', record) ~= ARGV[4] then
  return 0
end
local ttl = tonumber(ARGV[3])
if ttl > 0 then
  keep(ARGV[2], ttl)
else
  redis.call('SET', record, ARGV[2], 'KEEPTTL')
end
return 1
