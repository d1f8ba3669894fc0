-- session_get: looks a session up and slides it.
--
-- KEYS   session, epoch of its user; one hash tag.
-- ARGV   idle (ms), touch: always | threshold | never.
-- Answer [+valid value deadline_us now_us] or [+absent now_us]; -SHAPE when what is stored is no
--        session.
-- Session: hash of v (sealed value), e (epoch at creation), d (absolute deadline, us), c (created, us).
-- Writes the TTL only: never creates, never shortens, never past the deadline. `threshold` spares the
--        write while 3/4 of idle are left. A session past its deadline or of another epoch is removed.
-- Again  the same.
-- No epoch: -SHAPE, nobody can tell (invariant S4). It is never read as epoch 0, or losing it would bring
--        revoked sessions back.
-- GETEX ... PXAT is not used: with a time that has passed it deletes.
local now = clock()
local idle, touch = tonumber(ARGV[1]), ARGV[2]
local stored = call('HMGET', KEYS[1], 'v', 'e', 'd')
local value, epoch, deadline = stored[1], stored[2], integer(stored[3])
local absent = { { ok = 'absent' }, now }
if not value and not epoch and not stored[3] and call('EXISTS', KEYS[1]) == 0 then
  return absent
end
if not value or not integer(epoch) or not deadline then
  return redis.error_reply('SHAPE not a session')
end
local current = call('GET', KEYS[2])
if not integer(current) then
  return redis.error_reply('SHAPE no epoch')
end
if current ~= epoch or now >= deadline then
  call('UNLINK', KEYS[1])
  return absent
end

local left = call('PTTL', KEYS[1])
local target = math.min(idle, math.floor((deadline - now) / 1000))
if left == -1 then
  expire(KEYS[1], now, math.max(target, 1))
elseif touch == 'always' or (touch == 'threshold' and left * 4 < idle * 3) then
  if left < target then
    expire(KEYS[1], now, target)
  end
end
return { { ok = 'valid' }, value, deadline, now }
