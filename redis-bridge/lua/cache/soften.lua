-- cache_soften: what is stored for a URL is no longer fresh from now on: it is validated, or used stale where it
-- may be.
--
-- KEYS   objects of a URL (see cache_get).
-- ARGV   channel on which those who are held are told.
-- Answer how many objects there are.
-- Writes their times, and ends all leases: an answer that was on its way is not stored as a fresh one. The key's
--        TTL stays; a missing one becomes that of the object that lives longest.
-- Again  the same number.
local key, now = KEYS[1], clock()
local softened, waited, latest = 0, false, now
local names = try('HKEYS', key)
if names.err then
  return 0
end
for _, name in ipairs(names) do
  local kind = string.sub(name, 1, 2)
  if kind == 'm:' then
    local born, fresh, expires = match(call('HGET', key, name), '^(%d+) (%d+) (%d+)$')
    born, fresh, expires = integer(born), integer(fresh), integer(expires)
    if born and fresh and expires and now < expires then
      local times = text(born) .. ' ' .. text(math.min(fresh, now)) .. ' ' .. text(expires)
      call('HSET', key, name, times)
      softened, latest = softened + 1, math.max(latest, expires)
    end
  elseif kind == 'l:' then
    local lease = lease_of(call('HGET', key, name))
    waited = waited or lease and lease.waited == '1'
    call('HDEL', key, name)
  end
end
if softened > 0 and call('PTTL', key) == -1 then
  extend(key, ceil((latest - now) / 1000))
end
if waited then
  try('PUBLISH', ARGV[1], '')
end
return softened
