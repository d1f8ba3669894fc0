-- session_rotate: gives a session another token.
--
-- KEYS   session, epoch of its user, index of its user, session under the new token; one hash tag.
-- ARGV   version it is based on, version of the new value, sealed value for the new token, the new
--        token's secret sealed for the old one, idle (ms), grace (ms), member of the old token, member of
--        the new one, prefix of the user's session keys.
-- Answer [+rotated deadline_us now_us], [+conflict version now_us], [+replaced secret now_us] as
--        session_read, [+absent now_us], or [+exists now_us]; -SHAPE as session_get.
-- Writes the session under the new token, with the same deadline and epoch, before it takes the old one
--        away: at once when there is no grace, else its deadline is moved to the end of the grace, so that
--        no look-up slides it further. It keeps the new secret for whoever comes second with the old token.
--        A predecessor that is still in its own grace ends: it was replaced twice.
--        The index follows the new token; TTLs of index and epoch are never shortened.
-- Again  replaced within the grace, then absent.
local KEEP_MS = 3600000 -- as session_create
local now = clock()
local idle, grace = tonumber(ARGV[5]), tonumber(ARGV[6])
local old, own, prefix = ARGV[7], ARGV[8], ARGV[9]
local session, failed = live(KEYS[1], KEYS[2], now)
if failed then
  return failed
end
local deadline = session and session[3]
local rest = session and math.floor((deadline - now) / 1000)
if not session or rest < 1 then
  return { { ok = 'absent' }, now }
end
if session[5] then
  return { { ok = 'replaced' }, session[5], now }
end
if session[4] ~= tonumber(ARGV[1]) then
  return { { ok = 'conflict' }, session[4], now }
end
if call('EXISTS', KEYS[4]) == 1 then
  return { { ok = 'exists' }, now }
end
local more = call('HMGET', KEYS[1], 'c', 'p')
call('ZADD', KEYS[3], text(deadline), own)
call('ZREM', KEYS[3], old)
call('HSET', KEYS[4], 'v', ARGV[3], 'e', session[2], 'd', text(deadline), 'c', more[1] or text(now),
  'n', ARGV[2])
if more[2] then
  call('UNLINK', prefix .. more[2])
  call('HDEL', KEYS[1], 'p')
end
if grace == 0 then
  call('UNLINK', KEYS[1])
else
  local left = call('PTTL', KEYS[1])
  local short = math.min(grace, rest)
  call('HSET', KEYS[4], 'p', old)
  call('HSET', KEYS[1], 's', ARGV[4], 'm', own, 'd', text(math.min(deadline, now + grace * 1000)))
  if left < 0 or left > short then
    expire(KEYS[1], now, short)
  end
end
expire(KEYS[4], now, math.min(idle, rest))
extend(KEYS[2], rest + KEEP_MS)
extend(KEYS[3], rest + KEEP_MS)
return { { ok = 'rotated' }, deadline, now }
