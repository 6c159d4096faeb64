
-- name → the value, or nil
local value = redis.call('GET', record)
if value then
  forget()
end
return value
