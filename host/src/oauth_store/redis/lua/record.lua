-- Stands before every script that writes. Invariant: a record's name is in `names`, and in `ends` with the time at
-- which it ends, in milliseconds since 1970. Either set may also hold names of records that have ended; what has ended
-- long enough is swept by whoever writes next.
local record, names, ends, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local swept_at_once = 8

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function sweep()
  local every_record = string.sub(record, 1, #record - #name)
  local over = redis.call('ZRANGEBYSCORE', ends, '-inf', now(), 'LIMIT', 0, swept_at_once)
  for _, ended in ipairs(over) do
    if redis.call('EXISTS', every_record .. ended) == 0 then
      redis.call('ZREM', names, ended)
      redis.call('ZREM', ends, ended)
    end
  end
end

-- The sets go first: a server without memory refuses a script at its first write and not later, and a name without a
-- record does no harm.
local function keep(value, ttl)
  redis.call('ZADD', names, 0, name)
  redis.call('ZADD', ends, now() + ttl, name)
  redis.call('SET', record, value, 'PX', ttl)
  sweep()
end

local function forget()
  redis.call('DEL', record)
  redis.call('ZREM', names, name)
  redis.call('ZREM', ends, name)
end
