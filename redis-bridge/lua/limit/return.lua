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
  local key, at = KEYS[i], i * 5
  local window, cost, mark = tonumber(ARGV[at - 2]), tonumber(ARGV[at - 1]), tonumber(ARGV[at])
  if ARGV[at - 4] == 'fixed_window' then
    -- Only in the window it was charged in.
    local found, id, used = window_at(key, now, window)
    local ends = (id + 1) * window
    if found and ends == mark and used > 0 then
      used = used > cost and used - cost or 0
      call('SET', key, format('%.0f:%.0f', id, used), 'PX', ttl(ends - now))
    end
  else
    -- What has flowed in since it was charged is there already and not given back again. `mark` is the
    -- TAT after the charge.
    local found, tat = tat_at(key, now)
    local give = math.min(cost * ceil(window / tonumber(ARGV[at - 3])), mark - now)
    if found and give > 0 then
      tat = math.max(tat - give, now)
      call('SET', key, tat, 'PX', ttl(tat - now))
    end
  end
end
return 1
