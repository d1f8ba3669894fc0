-- limit_own: reads, sets or removes a key's own limit (an override), and tells whoever remembers the old one.
--
-- KEYS   the override.
-- ARGV   nothing: reads. Or: the value, as override.lua reads it, empty to remove it; its TTL (ms); the
--        channel on which it is told.
-- Answer [value ttl_ms] as it is now, ttl_ms -1 when it has none; [] when there is none.
-- Again  does the same.
local key = KEYS[1]
if #ARGV == 3 then
  if ARGV[1] == '' then
    call('UNLINK', key)
  else
    call('SET', key, ARGV[1], 'PX', ARGV[2])
  end
  call('PUBLISH', ARGV[3], '')
end
local left = call('PTTL', key)
if left == -2 then
  return {}
end
local value = try('GET', key)
return { type(value) == 'string' and value or '', left }
