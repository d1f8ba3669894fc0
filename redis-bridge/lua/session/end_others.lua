-- session_end_others: ends all sessions of a user but the one that asks, those the index forgot too.
--
-- KEYS   session, epoch of its user, index of its user; one hash tag.
-- ARGV   member of the session, prefix of the user's session keys.
-- Answer [+ended sessions epoch value version now_us]: how many the index knew, the epoch now, and what the
--        session holds; or [+absent now_us] and nothing is written; -SHAPE as session_get.
-- Writes the epoch as session_revoke_user, and carries the session over, with both its tokens when it was
--        just replaced.
-- Again  ends what was created since.
local KEEP_MS = 3600000 -- as session_create
local now = clock()
local own, prefix = ARGV[1], ARGV[2]
local session, failed = live(KEYS[1], KEYS[2], now)
if failed then
  return failed
end
if not session then
  return { { ok = 'absent' }, now }
end
local epoch, rest = session[2], math.ceil((session[3] - now) / 1000)
local twins = call('HMGET', KEYS[1], 'p', 'm')
local kept = { [own] = true }
local later = math.max(integer(epoch) + 1, now)
local bumped = text(later)
local left = math.max(call('PTTL', KEYS[2]), rest + KEEP_MS)
for at = 1, 2 do
  local twin = twins[at]
  if twin then
    kept[twin] = true
    if call('HGET', prefix .. twin, 'e') == epoch then
      call('HSET', prefix .. twin, 'e', bumped)
    end
  end
end
call('HSET', KEYS[1], 'e', bumped)
call('SET', KEYS[2], bumped, 'PX', text(left))
local ended = 0
local members = try('ZRANGE', KEYS[3], '0', '-1')
if not members.err then
  for _, member in ipairs(members) do
    if not kept[member] then
      ended = ended + finish(prefix, member, KEYS[3])
    end
  end
end
return { { ok = 'ended' }, ended, later, session[1], session[4], now }
