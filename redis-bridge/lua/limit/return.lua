-- limit_return: gives back what limit_take charged, once.
--
-- KEYS   the limits that were charged, then the overrides that are named below, then a marker, named by
--        the return's id; all share the subject's hash tag.
-- ARGV   per limit: algorithm, limit (units), window (us), burst (what the algorithm says), cost (units),
--        mark (as limit_take said), override (which of KEYS, 0: none).
-- Answer [given*], integers: the units each limit really got back.
-- Writes the limits, each with its TTL, and the marker for a minute. Never gives back more than was
--        charged and never goes below nothing used.
-- Again  does nothing for a minute and answers the same.
local marker, count = KEYS[#KEYS], #ARGV / 7
local given, texts = {}, {}
local done = call('GET', marker)
if done then
  for n in string.gmatch(done, '%d+') do
    given[#given + 1] = tonumber(n)
  end
  return given
end
for i = 1, count do
  local at = i * 7 - 6
  local key, algorithm = KEYS[i], ARGV[at]
  local limit, window, burst = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3]
  local cost, mark, own = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local _, give_back
  if algorithm == 'fixed_window' then
    _, _, give_back = fixed_window()
  elseif algorithm == 'token_bucket' then
    _, _, give_back = token_bucket()
    burst = tonumber(burst)
  elseif algorithm == 'sliding_window' then
    _, _, give_back = sliding_window()
  elseif algorithm == 'sliding_window_log' then
    _, _, give_back = sliding_window_log()
  elseif algorithm == 'leaky_bucket' then
    _, _, give_back = leaky_bucket()
    burst = tonumber(burst)
  elseif algorithm == 'concurrency' then
    _, _, give_back = concurrency()
  elseif algorithm == 'calendar_window' then
    _, _, give_back = calendar_window()
  else
    return redis.error_reply('SHAPE unknown algorithm')
  end
  if own > 0 then
    limit, burst = overridden(KEYS[own], algorithm, limit, window, burst)
  end
  given[i] = give_back(key, limit, window, burst, cost, mark)
  texts[i] = text(given[i])
end
call('SET', marker, table.concat(texts, ' '), 'PX', 60000)
return given
