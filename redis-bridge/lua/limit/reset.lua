-- limit_reset: forgets what a limit has counted, and tells whoever remembers that it denied.
--
-- KEYS   the limit.
-- ARGV   the channel on which it is told.
-- Answer how many keys were removed, 0 or 1.
-- Again  removes what was counted since.
local removed = call('UNLINK', KEYS[1])
call('PUBLISH', ARGV[1], '')
return removed
