-- session_get: looks a session up and slides it.
--
-- KEYS   session, epoch of its user; one hash tag.
-- ARGV   idle (ms), touch: always | threshold | never.
-- Answer [+valid value version deadline_us now_us] or [+absent now_us]; -SHAPE when what is stored is no
--        session, or there is no epoch.
-- Writes the TTL only: never creates, never shortens, never past the deadline. `threshold` spares the
--        write while 3/4 of idle are left. A session past its deadline or of another epoch is removed.
-- Again  the same.
-- GETEX ... PXAT is not used: with a time that has passed it deletes.
local now = clock()
local idle, touch = tonumber(ARGV[1]), ARGV[2]
local session, failed = live(KEYS[1], KEYS[2], now)
if failed then
  return failed
end
if not session then
  call('UNLINK', KEYS[1])
  return { { ok = 'absent' }, now }
end

local value, deadline, version = session[1], session[3], session[4]
local left = call('PTTL', KEYS[1])
local target = math.min(idle, math.floor((deadline - now) / 1000))
if left == -1 then
  expire(KEYS[1], now, math.max(target, 1))
elseif touch == 'always' or (touch == 'threshold' and left * 4 < idle * 3) then
  if left < target then
    expire(KEYS[1], now, target)
  end
end
return { { ok = 'valid' }, value, version, deadline, now }
