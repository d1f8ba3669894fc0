-- session_revoke: ends one session, under both its tokens when it was just replaced.
--
-- KEYS   session, index of its user; one hash tag.
-- ARGV   member of the index (the session's hash as hex), prefix of the user's session keys.
-- Answer [sessions now_us]: how many were removed, 0 or 1.
-- Again  0. The index is for listing only: revoking does not need it.
local now = clock()
return { finish(ARGV[2], ARGV[1], KEYS[2]), now }
