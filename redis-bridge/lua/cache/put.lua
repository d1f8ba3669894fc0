-- cache_put: stores an object while its lease is alive.
--
-- KEYS   objects of a URL (see cache_get).
-- ARGV   url, field (hex), vary, lease (hex), at (us: when the next three were so, by this clock; 0: now), age (ms),
--        fresh (ms: how long it is fresh yet), ttl (ms, > 0: how long it is kept), variants (at most, > 0), purged (us: when a tag of the object was last purged, or 0), record, field that was looked up (hex),
--        channel on which those who are held are told.
-- Answer +stored or +refused. Refused: no lease, another one, one that ran out, or one granted at or
--        before a purge of one of its tags, or it came when it was of no use any more; the lease ends, so the next
--        miss gets a fresh one.
-- Writes the object and the Vary list; the key's TTL covers it and is never shortened. Under another
--        Vary list than before, the other variants can no longer be found: they are removed. Over the
--        bound on variants the expired ones go, then the one that expires first. The lease ends, and the
--        mark that nobody may store it.
-- Again  refused: it was stored.
local key, url, field, vary, lease = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local at, age_us = tonumber(ARGV[5]), tonumber(ARGV[6]) * 1000
local fresh_us, ttl_us = tonumber(ARGV[7]) * 1000, tonumber(ARGV[8]) * 1000
local bound, purged, record = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]
local asked, channel = ARGV[12], ARGV[13]
local now = clock()
-- It aged on its way. A time yet to come is of a clock that was set back.
local since = at > 0 and math.min(at, now) or now
local refused = { ok = 'refused' }
local h = call('HMGET', key, 'u', 'v', 'l:' .. asked)
local held = lease_of(h[3])
if h[1] ~= url or not held or held.id ~= lease or now >= held.ends then
  return refused
end
call('HDEL', key, 'l:' .. asked)
wake(channel, held)
if held.granted <= purged or since + ttl_us <= now then
  return refused
end

-- Fields of all variants but this one, and when each expires.
local variants = {}
for _, name in ipairs(call('HKEYS', key)) do
  local other = string.match(name, '^[mo]:(.*)$')
  if other and other ~= field then
    if h[2] ~= vary then
      call('HDEL', key, name)
    elseif string.sub(name, 1, 1) == 'm' then
      variants[#variants + 1] = other
    end
  end
end
if h[2] == vary and #variants >= bound then
  local live = {}
  for _, other in ipairs(variants) do
    local meta = call('HGET', key, 'm:' .. other)
    local expires = integer(string.match(meta, '^%d+ %d+ (%d+)$'))
    if expires and now < expires then
      live[#live + 1] = { expires = expires, field = other }
    else
      call('HDEL', key, 'm:' .. other, 'o:' .. other)
    end
  end
  table.sort(live, function(x, y)
    if x.expires == y.expires then
      return x.field < y.field
    end
    return x.expires < y.expires
  end)
  for i = 1, #live - bound + 1 do
    call('HDEL', key, 'm:' .. live[i].field, 'o:' .. live[i].field)
  end
end

local born, expires = math.max(since - age_us, 0), since + ttl_us
local meta = text(born) .. ' ' .. text(since + fresh_us) .. ' ' .. text(expires)
call('HSET', key, 'v', vary, 'm:' .. field, meta, 'o:' .. field, record)
call('HDEL', key, 'p:' .. asked)
extend(key, math.ceil((expires - now) / 1000))
return { ok = 'stored' }
