
-- name, value, ttl → 1
keep(ARGV[2], tonumber(ARGV[3]))
return 1
