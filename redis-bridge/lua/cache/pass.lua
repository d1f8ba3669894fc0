-- cache_pass: whoever fills an object says that nobody may have its answer, or that there will be none.
--
-- KEYS   objects of a URL (see cache_get).
-- ARGV   url, field (hex), lease (hex), how long to remember that nobody may store it (ms; 0: not at all),
--        channel on which those who are held are told.
-- Answer +passed, or +ignored: the lease is no longer the one.
-- Writes the mark p:field, which is never shortened; the lease lives on without a turn: should an answer
--        be one to store all the same, it is stored, and the mark goes.
-- Again  the same.
local key, url, field, id, ms, channel = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local now = clock()
local h = call('HMGET', key, 'u', 'l:' .. field, 'p:' .. field)
local lease = lease_of(h[2])
if h[1] ~= url or not lease or lease.id ~= id or now >= lease.ends then
  return { ok = 'ignored' }
end
if ms > 0 then
  local passes = integer(match(h[3] or '', '^(%d+) %d+$'))
  if not passes or passes < now + ms * 1000 then
    local renew = now + floor(ms * 750)
    call('HSET', key, 'p:' .. field, text(now + ms * 1000) .. ' ' .. text(renew))
    extend(key, ms)
  end
end
wake(channel, lease)
lease.turn, lease.waited = 0, '0'
write_lease(key, field, lease)
return { ok = 'passed' }
