-- cache_invalidate: removes all objects of a URL and ends its lease.
--
-- KEYS   objects of a URL (see cache_get).
-- Answer how many objects were removed.
-- Again  0, unless it was filled since.
local removed = 0
local names = try('HKEYS', KEYS[1])
if not names.err then
  for _, name in ipairs(names) do
    if string.sub(name, 1, 2) == 'o:' then
      removed = removed + 1
    end
  end
end
call('UNLINK', KEYS[1])
return removed
