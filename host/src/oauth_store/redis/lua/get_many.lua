-- → the value of each record, or nil
return redis.call('MGET', unpack(KEYS))
