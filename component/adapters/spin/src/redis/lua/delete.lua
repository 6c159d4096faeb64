
-- name → 1, or 0 when there was no record
local found = redis.call('EXISTS', record)
forget()
return found
