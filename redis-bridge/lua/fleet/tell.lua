-- fleet_tell: a bridge tells all bridges something; messages are numbered without a gap.
--
-- KEYS   number of the last message.
-- ARGV   channel, message, life of the number (ms).
-- Answer the message's number. What is published is "number message".
-- Writes the number. When it is lost the next message is 1, which whoever listens takes for a gap. It is deleted
--        before: a full Redis (noeviction) refuses the first write of a script when that takes memory, and lets
--        a script go on whose first write takes none (redis.io, EVAL, "maxmemory"). So all are told of what was
--        removed, which takes no memory either, however full it is.
-- Again  another message.
local last = try('GET', KEYS[1])
local n = (type(last) == 'string' and integer(last) or 0) + 1
call('DEL', KEYS[1])
call('SET', KEYS[1], text(n), 'PX', ARGV[3])
call('PUBLISH', ARGV[1], text(n) .. ' ' .. ARGV[2])
return n
