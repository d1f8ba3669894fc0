-- cache_get: looks an object up; on a miss grants the lease to fill it.
--
-- KEYS   objects of a URL.
-- ARGV   url, field (hex), vary (the list the field was made for), lease to grant (hex), its life (ms).
-- Answer [+hit born_us now_us record], [+vary list] when the objects were stored under another Vary
--        list, or [+miss now_us lease|null]; null: another URL of the same hash is here.
-- Hash of one URL: u (the URL, compared: a hash alone is no identity, CVE-2026-2836), v (Vary list),
--        l ("lease expires_us granted_us"), and per variant m:field ("born_us expires_us"), o:field
--        (the record).
-- Writes the lease (Nishtala et al., "Scaling Memcache at Facebook", 2013). One that is alive is shared
--        and, in the second half of its life, extended, so that a URL nobody may store costs no write per
--        request; an invalidation ends it, so a value read before a write is never stored after it.
--        The key's TTL is never shortened. What has expired or is no object is removed.
-- Again  the same lease.
local key, url, field, vary = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local lease, lease_ms = ARGV[4], tonumber(ARGV[5])
local now = clock()
local h = try('HMGET', key, 'u', 'v', 'l', 'm:' .. field, 'o:' .. field)
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
if h[4] or h[5] then
  local born, expires = string.match(h[4] or '', '^(%d+) (%d+)$')
  born, expires = integer(born), integer(expires)
  if h[2] and h[5] and born and expires and now < expires then
    return { { ok = 'hit' }, born, now, h[5] }
  end
  call('HDEL', key, 'm:' .. field, 'o:' .. field)
end

local held, ends, granted = string.match(h[3] or '', '^(%x+) (%d+) (%d+)$')
ends, granted = integer(ends), integer(granted)
if held and #held == 32 and ends and granted and now < ends then
  lease = held
  if (ends - now) * 2 > lease_ms * 1000 then
    if call('PTTL', key) == -1 then
      extend(key, lease_ms)
    end
    return { { ok = 'miss' }, now, lease }
  end
else
  ends, granted = 0, now
end
ends = math.max(ends, now + lease_ms * 1000)
call('HSET', key, 'u', url, 'l', lease .. ' ' .. text(ends) .. ' ' .. text(granted))
extend(key, lease_ms)
return { { ok = 'miss' }, now, lease }
