-- cache_invalidate: removes all objects of a URL and ends its leases.
--
-- KEYS   objects of a URL (see cache_get).
-- ARGV   channel on which those who are held are told.
-- Answer how many objects were removed.
-- Again  0, unless it was filled since.
local removed, waited = 0, false
local names = try('HKEYS', KEYS[1])
if not names.err then
  for _, name in ipairs(names) do
    local kind = string.sub(name, 1, 2)
    if kind == 'o:' then
      removed = removed + 1
    elseif kind == 'l:' then
      local lease = lease_of(call('HGET', KEYS[1], name))
      waited = waited or lease and lease.waited == '1'
    end
  end
end
call('UNLINK', KEYS[1])
if waited then
  try('PUBLISH', ARGV[1], '')
end
return removed
