-- A variant's fill lease, field l:VARIANT: "id ends_us granted_us turn_us waited" (Nishtala et al., "Scaling
-- Memcache at Facebook", 2013).
-- ends    until then a store under this id is accepted; an invalidation removes it, so a value read before
--         a write is never stored after it.
-- turn    until then one request has the filling for itself and the others are held; 0: nobody has.
-- waited  1: somebody is held, so whoever changes something says it on the URL's channel.
local TURN_MAX = 30000000 -- us: no turn is longer, what a look-up may wait
local FIELDS_MAX = 400 -- fields of a URL: variants and their leases; random variants evict, never exhaust

local function lease_of(value)
  local id, ends, granted, turn, waited = match(value or '', '^(%x+) (%d+) (%d+) (%d+) ([01])$')
  ends, granted, turn = integer(ends), integer(granted), integer(turn)
  if not ends or not granted or not turn or #id ~= 32 then
    return nil
  end
  return { id = id, ends = ends, granted = granted, turn = turn, waited = waited }
end

local function write_lease(key, field, lease)
  local times = text(lease.ends) .. ' ' .. text(lease.granted) .. ' ' .. text(lease.turn)
  call('HSET', key, 'l:' .. field, lease.id .. ' ' .. times .. ' ' .. lease.waited)
end

-- Who is held looks again. Such a word can be lost: they look again by themselves too.
local function wake(channel, lease)
  if lease.waited == '1' then
    try('PUBLISH', channel, '')
  end
end

-- Whether the URL has room for one more lease. Leases and marks that ran out leave first.
local function has_room(key, now)
  if call('HLEN', key) < FIELDS_MAX then
    return true
  end
  local removed = false
  for _, name in ipairs(call('HKEYS', key)) do
    local kind = string.sub(name, 1, 2)
    if kind == 'l:' or kind == 'p:' then
      local value = call('HGET', key, name)
      local lease = kind == 'l:' and lease_of(value)
      local ends = lease and lease.ends or kind == 'p:' and integer(match(value, '^(%d+) %d+$'))
      if not ends or now >= ends then
        call('HDEL', key, name)
        removed = true
      end
    end
  end
  return removed
end

