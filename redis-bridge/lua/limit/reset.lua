-- limit_reset: forgets what a limit has counted.
--
-- KEYS   the limit.
-- Answer how many keys were removed, 0 or 1.
-- Again  removes what was counted since.
return call('UNLINK', KEYS[1])
