-- What the records' keys begin with, the bounds of the range, the size of the page, how many names to look at
-- → whether this was the end of the range, the last name that was looked at, and the names of records.
-- Names without a record are removed on the way.
local names, ends = KEYS[1], KEYS[2]
local every_record, size, most = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])
local range = redis.call('ZRANGEBYLEX', names, ARGV[2], ARGV[3], 'LIMIT', 0, most)
local found, last = {}, ''
for _, name in ipairs(range) do
  if #found == size then
    return { 0, last, found }
  end
  last = name
  if redis.call('EXISTS', every_record .. name) == 1 then
    found[#found + 1] = name
  else
    redis.call('ZREM', names, name)
    redis.call('ZREM', ends, name)
  end
end
return { #range < most and 1 or 0, last, found }
