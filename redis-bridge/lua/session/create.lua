-- session_create: the only script that makes a session.
--
-- KEYS   session, epoch of its user, index of its user; one hash tag.
-- ARGV   sealed value, idle (ms), absolute (ms), cap (sessions of this user, > 0), member (the
--        session's hash as hex), prefix of the user's session keys.
-- Answer [+created deadline_us now_us], or [+exists now_us] and nothing is written: another session, or
--        one that has ended, is there.
-- Writes the epoch when there is none: the time now, so that one that was lost never matches an old
--        session again. Then the index (a sorted set by deadline, for listing only), then the session:
--        a session nobody can list does not exist, an index entry without session harms nobody. Epoch
--        and index outlive the session; their TTL is never shortened.
-- Over the cap the sessions that end first are revoked, under both tokens; index entries without session
--        go before. Their keys are made from the prefix: same hash tag, same slot.
-- Again  created, with the deadline it has: whoever lost the answer asks once more. A sealed value never
--        comes twice by chance.
local KEEP_MS = 3600000 -- epoch and index outlive the last session by this
local now = clock()
local idle, absolute, cap = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local own, prefix = ARGV[5], ARGV[6]
if call('EXISTS', KEYS[1]) == 1 then
  local stored = call('HMGET', KEYS[1], 'v', 'e', 'd')
  local deadline = integer(stored[3])
  local same = stored[1] == ARGV[1] and stored[2] and stored[2] == call('GET', KEYS[2])
  if same and deadline and now < deadline then
    return { { ok = 'created' }, deadline, now }
  end
  return { { ok = 'exists' }, now }
end
local epoch = call('GET', KEYS[2])
if not integer(epoch) then
  epoch = text(now)
  call('SET', KEYS[2], epoch, 'PX', text(absolute + KEEP_MS))
end
local deadline = now + absolute * 1000
call('ZADD', KEYS[3], text(deadline), own)
call('HSET', KEYS[1], 'v', ARGV[1], 'e', epoch, 'd', text(deadline), 'c', text(now))
expire(KEYS[1], now, math.min(idle, absolute))
extend(KEYS[2], absolute + KEEP_MS)
extend(KEYS[3], absolute + KEEP_MS)

if call('ZCARD', KEYS[3]) > cap then
  local live = {}
  for _, member in ipairs(call('ZRANGE', KEYS[3], '0', '-1')) do
    if call('EXISTS', prefix .. member) == 1 then
      live[#live + 1] = member
    else
      call('ZREM', KEYS[3], member)
    end
  end
  local over = #live - cap
  for _, member in ipairs(live) do
    if over > 0 and member ~= own then
      finish(prefix, member, KEYS[3])
      over = over - 1
    end
  end
end
return { { ok = 'created' }, deadline, now }
