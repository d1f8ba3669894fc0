-- limit_return: gives back what limit_take charged, once.
--
-- KEYS   the limits that were charged, then a marker, named by the compensation's id; all share the
--        subject's hash tag.
-- ARGV   per limit: algorithm, limit (units), window (us), cost (units), mark (as limit_take said).
-- Answer 1, or 0 when this compensation was done before.
-- Writes the limits, each with its TTL, and the marker for a minute. Never gives back more than was
--        charged and never goes below nothing used. A fixed window gets it back only while it lasts;
--        a bucket only what has not flowed in since. Two compensations of one bucket that overlap may
--        give back at most what flowed in between them.
-- Again  does nothing for a minute.
local now = clock()
local marker = KEYS[#KEYS]
if not call('SET', marker, '1', 'PX', '60000', 'NX') then
  return 0
end
for i = 1, #KEYS - 1 do
  local at = (i - 1) * 5
  local algorithm = algorithms[ARGV[at + 1]]
  local a = {
    limit = tonumber(ARGV[at + 2]),
    window = tonumber(ARGV[at + 3]),
    cost = tonumber(ARGV[at + 4]),
  }
  local seen = algorithm.look(KEYS[i], now, a)
  local value = algorithm.undo(seen, now, a, tonumber(ARGV[at + 5]))
  if value then
    call('SET', KEYS[i], value, 'PX', ttl(algorithm.left(seen, now, a)))
  end
end
return 1
