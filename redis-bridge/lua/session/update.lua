-- session_update: replaces the value of a session that is still of the version the new one is based on.
--
-- KEYS   session, epoch of its user; one hash tag.
-- ARGV   version it is based on, sealed value of the version after it.
-- Answer [+updated version now_us], [+conflict version now_us] with the one it is of, [+replaced secret
--        now_us] as session_read, or [+absent now_us]; -SHAPE as session_get.
-- Writes value and version of a session that lives. Never creates one: a revoked session stays dead
--        however late this comes. Leaves the TTL.
-- Again  conflict.
local now = clock()
local session, failed = live(KEYS[1], KEYS[2], now)
if failed then
  return failed
end
if not session then
  return { { ok = 'absent' }, now }
end
if session[5] then
  return { { ok = 'replaced' }, session[5], now }
end
local version = session[4]
if version ~= tonumber(ARGV[1]) then
  return { { ok = 'conflict' }, version, now }
end
call('HSET', KEYS[1], 'v', ARGV[2], 'n', text(version + 1))
return { { ok = 'updated' }, version + 1, now }
