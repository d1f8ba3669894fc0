-- session_get: looks a session up and slides it.
--
-- KEYS   session, epoch of its user; one hash tag.
-- ARGV   idle (ms), touch: always | threshold | never.
-- Answer [+valid value version deadline_us now_us] or [+absent now_us]; -SHAPE when what is stored is no
--        session, or there is no epoch.
--        -NOREPLICAS, -READONLY when Redis takes no writes.
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
local due = touch == 'always' or (touch == 'threshold' and left * 4 < idle * 3)
if left == -1 then
  expire(KEYS[1], now, math.max(target, 1))
elseif due and left < target then
  expire(KEYS[1], now, target)
else
  -- Who takes no writes says of no session that it lives: a primary that was cut off from its replicas does not
  -- hear of those that are ended where the others are. HDEL of no field changes nothing, and is a write.
  local refused = try('HDEL', KEYS[1], '')
  local why = type(refused) == 'table' and refused.err
  if why and (find(why, 'NOREPLICAS', 1, true) or find(why, 'READONLY', 1, true)) then
    return refused
  end
end
return { { ok = 'valid' }, value, version, deadline, now }
