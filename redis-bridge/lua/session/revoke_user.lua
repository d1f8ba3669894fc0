-- session_revoke_user: ends all sessions of a user, those the index forgot too.
--
-- KEYS   epoch of the user, index of the user; one hash tag.
-- ARGV   prefix of the user's session keys, least epoch: 0, or what an earlier call answered when this one
--        repeats it.
-- Answer [sessions epoch now_us]: how many the index knew, and the epoch now.
-- Writes the epoch: larger than before and at least the time now, so no session made under any earlier
--        one matches again. It keeps the longer of its TTL and an hour: sessions made later extend it.
-- Again  ends what was created since; with the epoch it answered it writes nothing, unless Redis has lost
--        that one.
local now = clock()
local epoch = integer(try('GET', KEYS[1])) or 0
local least = tonumber(ARGV[2])
if least > 0 and epoch >= least then
  return { 0, epoch, now }
end
local bumped = math.max(epoch + 1, now, least)
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
return { removed, bumped, now }
