-- session_revoke_user: ends all sessions of a user, those the index forgot too.
--
-- KEYS   epoch of the user, index of the user; one hash tag.
-- ARGV   prefix of the user's session keys.
-- Answer how many sessions the index knew.
-- Writes the epoch: larger than before and at least the time now, so no session made under any earlier
--        one matches again. It keeps the longer of its TTL and an hour: sessions made later extend it.
-- Again  ends what was created since.
local now = clock()
local epoch = try('GET', KEYS[1])
local bumped = math.max((integer(epoch) or 0) + 1, now)
local left = math.max(call('PTTL', KEYS[1]), 3600000)
call('SET', KEYS[1], text(bumped), 'PX', text(left))
local removed = 0
local members = try('ZRANGE', KEYS[2], '0', '-1')
if not members.err then
  for _, member in ipairs(members) do
    removed = removed + call('UNLINK', ARGV[1] .. member)
  end
end
call('UNLINK', KEYS[2])
return removed
