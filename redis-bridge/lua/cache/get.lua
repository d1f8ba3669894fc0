-- cache_get: looks an object up; grants the lease to fill it when it is missing or no longer fresh.
--
-- KEYS   objects of a URL.
-- ARGV   url, field (hex), vary (the list the field was made for), lease to grant (hex), its life (ms), want:
--        fill; refresh: as if nothing were fresh; read: as fill, without a lease when nothing is there.
-- Answer [+hit born_us now_us record], [+stale born_us now_us record lease claimed] of an object that is no
--        longer fresh, [+vary list] when the objects were stored under another Vary list, or
--        [+miss now_us lease|null]; null: another URL of the same hash is here, or want was read.
--        claimed: 1 for one caller within REFRESH_US, which is to refresh the object while the others may
--        go on using it; else 0.
-- Hash of one URL: u (the URL, compared: a hash alone is no identity, CVE-2026-2836), v (Vary list),
--        l ("lease expires_us granted_us"), and per variant m:field ("born_us fresh_until_us expires_us"),
--        o:field (the record), r:field (until when its refresh is claimed, us).
-- Writes the lease (Nishtala et al., "Scaling Memcache at Facebook", 2013) and the claim. A lease that is
--        alive is shared and, in the second half of its life, extended, so that a URL nobody may store costs
--        no write per request; an invalidation ends it, so a value read before a write is never stored
--        after it. The key's TTL is never shortened. What has expired or is no object is removed.
-- Again  the same lease; claimed is 0.
local REFRESH_US = 15000000 -- as long as a refresh may take
local key, url, field, vary = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local lease, lease_ms, want = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local now = clock()
local h = try('HMGET', key, 'u', 'v', 'l', 'm:' .. field, 'o:' .. field, 'r:' .. field)
if h.err then
  if string.sub(h.err, 1, 9) ~= 'WRONGTYPE' then
    return h
  end
  h = {}
end
if not h[1] then
  call('UNLINK', key)
  h = {}
elseif h[1] ~= url then
  return { { ok = 'miss' }, now, false }
end
if h[2] and h[2] ~= vary then
  return { { ok = 'vary' }, h[2] }
end
local stale
if h[4] or h[5] then
  local born, fresh, expires = string.match(h[4] or '', '^(%d+) (%d+) (%d+)$')
  born, fresh, expires = integer(born), integer(fresh), integer(expires)
  if h[2] and h[5] and born and fresh and expires and now < expires then
    if now < fresh and want ~= 'refresh' then
      return { { ok = 'hit' }, born, now, h[5] }
    end
    stale = born
  else
    call('HDEL', key, 'm:' .. field, 'o:' .. field, 'r:' .. field)
  end
end
if not stale and want == 'read' then
  return { { ok = 'miss' }, now, false }
end

local held, ends, granted = string.match(h[3] or '', '^(%x+) (%d+) (%d+)$')
ends, granted = integer(ends), integer(granted)
local live = held and #held == 32 and ends and granted and now < ends
if live then
  lease = held
else
  ends, granted = 0, now
end
if live and (ends - now) * 2 > lease_ms * 1000 then
  if call('PTTL', key) == -1 then
    extend(key, lease_ms)
  end
else
  ends = math.max(ends, now + lease_ms * 1000)
  call('HSET', key, 'u', url, 'l', lease .. ' ' .. text(ends) .. ' ' .. text(granted))
  extend(key, lease_ms)
end
if not stale then
  return { { ok = 'miss' }, now, lease }
end
local claimed, claim = 0, integer(h[6])
if not claim or now >= claim then
  claimed = 1
  call('HSET', key, 'r:' .. field, text(now + REFRESH_US))
end
return { { ok = 'stale' }, stale, now, h[5], lease, claimed }
