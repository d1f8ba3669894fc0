-- session_revoke: ends one session.
--
-- KEYS   session, index of its user; one hash tag.
-- ARGV   member of the index (the session's hash as hex).
-- Answer how many sessions were removed, 0 or 1.
-- Again  0. The index is for listing only: revoking does not need it.
local removed = call('UNLINK', KEYS[1])
try('ZREM', KEYS[2], ARGV[1])
return removed
