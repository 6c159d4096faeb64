-- The mark, its time to live in milliseconds → 1. A write that means nothing, so that there is one to wait for when a
-- call has found things as they should be. A server without memory refuses SET, and still renews the time of a mark.
if redis.call('PEXPIRE', KEYS[1], ARGV[1]) == 0 then
  redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
end
return 1
