-- cache_get: looks an object up; says who fills it when it is missing or no longer fresh.
--
-- KEYS   objects of a URL.
-- ARGV   url, field (hex), vary (the list the field was made for), lease to grant (hex), its life (ms), how
--        long one request has the filling for itself (ms; 0: nobody is held), want: fill; wait: as fill, and
--        what is not fresh is of no use; refresh: as if nothing were fresh; read: fills nothing, and may freshen
--        what is not fresh.
-- Answer [+hit born_us now_us record]; [+stale born_us now_us record lease claimed] of an object that is not
--        fresh, claimed 1: refresh it, the others are told 0; [+vary list] when the objects were stored under another Vary list;
--        [+fill now_us lease]: fill it, the others are held; [+held now_us lease left_us]: somebody else
--        has that long; [+miss now_us lease|null]: nobody waits for anybody. null: another URL of the same
--        hash is here, too many variants are under way, or it only reads. A fourth item: nobody may store it,
--        known for so long, microseconds.
-- Hash of one URL: u (the URL, compared: a hash alone is no identity, CVE-2026-2836), v (Vary list), and per
--        variant m:field ("born_us fresh_until_us expires_us"), o:field (the record), l:field (the lease), p:field
--        ("until_us renew_us": until then it is known that nobody may store it).
-- Writes the lease. One that is alive is shared: who takes the turn over from somebody who stalled leaves
--        him the right to store. In the second half of its life it is extended, so that a URL nobody may
--        store costs no write per request. The key's TTL is never shortened. What has expired or is no
--        object is removed.
-- Again  the same lease, and +fill to whoever it was granted to.
local REFRESH_US = 15000000 -- as long as a refresh may take that nobody waits for
local key, url, field, vary = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local offered, lease_ms, turn_us, want = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]) * 1000, ARGV[7]
local now = clock()
local h = try('HMGET', key, 'u', 'v', 'l:' .. field, 'm:' .. field, 'o:' .. field, 'p:' .. field)
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
  local born, fresh_until, expires = match(h[4] or '', '^(%d+) (%d+) (%d+)$')
  born, fresh_until, expires = integer(born), integer(fresh_until), integer(expires)
  if h[2] and h[5] and born and fresh_until and expires and now < expires then
    if now < fresh_until and want ~= 'refresh' then
      return { { ok = 'hit' }, born, now, h[5] }
    end
    stale = born
  else
    call('HDEL', key, 'm:' .. field, 'o:' .. field)
  end
end
if want == 'read' then
  if not stale then
    return { { ok = 'miss' }, now, false }
  end
  turn_us = 0
elseif stale and turn_us == 0 then
  turn_us = REFRESH_US
end

local passes, renew = match(h[6] or '', '^(%d+) (%d+)$')
passes, renew = integer(passes), integer(renew)
local passing = passes and renew and now < passes
local function found(word, lease)
  if stale then
    return { { ok = 'stale' }, stale, now, h[5], lease.id, word == 'fill' and 1 or 0 }
  end
  return { { ok = word }, now, lease.id, word == 'miss' and passing and passes - now or nil }
end

local lease = lease_of(h[3])
local fresh = not lease or now >= lease.ends
if fresh then
  if h[1] and not has_room(key, now) then
    return { { ok = 'miss' }, now, false }
  end
  lease = { id = offered, ends = 0, granted = now, turn = 0, waited = '0' }
end
-- A turn that lasts longer than any is of a clock that was set back.
local taken = now < lease.turn and lease.turn - now <= TURN_MAX and lease.id ~= offered
local word = 'miss'
if turn_us > 0 and not taken and (not passing or now >= renew) then
  word = 'fill'
  lease.turn = now + turn_us
elseif turn_us > 0 and taken and not passing and (not stale or want == 'wait') then
  if lease.waited == '0' then
    lease.waited = '1'
    write_lease(key, field, lease)
  end
  if call('PTTL', key) == -1 then
    extend(key, lease_ms)
  end
  return { { ok = 'held' }, now, lease.id, lease.turn - now }
elseif not fresh and (lease.ends - now) * 2 > lease_ms * 1000 then
  if call('PTTL', key) == -1 then
    extend(key, lease_ms)
  end
  return found(word, lease)
end
lease.ends = math.max(lease.ends, now + lease_ms * 1000)
call('HSET', key, 'u', url)
write_lease(key, field, lease)
extend(key, lease_ms)
return found(word, lease)
