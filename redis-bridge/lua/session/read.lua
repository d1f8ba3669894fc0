-- session_read: what a change is based on. No use of the session: it is not slid.
--
-- KEYS   session, epoch of its user; one hash tag.
-- ARGV   none.
-- Answer [+held value version deadline_us now_us], [+replaced secret now_us] with the successor's sealed
--        secret, or [+absent now_us]; -SHAPE as session_get.
-- Writes nothing.
-- Again  the same.
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
return { { ok = 'held' }, session[1], session[4], session[3], now }
