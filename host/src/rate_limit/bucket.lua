-- A bucket as GCRA: what stands under the key is the moment at which the bucket will be full again, in microseconds
-- since 1970 by this server's clock; a bucket that is full has no key.
-- limit, window in seconds, cost → { 1, what is left } or { 0, seconds to wait }
local limit, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000000, tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each = window / limit
local missing = math.max(0, (tonumber(redis.call('GET', KEYS[1])) or 0) - now)
local after = missing + cost * each
-- One microsecond is what rounding may come to.
if after > window + 1 then
  return { 0, math.max(1, math.ceil((after - window) / 1000000)) }
end
redis.call('SET', KEYS[1], string.format('%.0f', now + after), 'PX', math.max(1, math.ceil(after / 1000)))
return { 1, math.min(limit - cost, math.floor((window - after + 1) / each)) }
