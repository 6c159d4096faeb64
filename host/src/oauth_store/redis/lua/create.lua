
-- name, value, ttl → 1, or 0 when there is a record
if redis.call('EXISTS', record) == 1 then
  return 0
end
keep(ARGV[2], tonumber(ARGV[3]))
return 1
