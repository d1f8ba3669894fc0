-- limit_take: all limits of a request, or none of them.
--
-- KEYS   one per limit; all share the subject's hash tag on a Cluster.
-- ARGV   per key: algorithm, limit (units), window (us), burst (units), cost (units). Integers, at
--        most 2^53; cost 0 looks.
-- Answer [admitted now_us [state available reset_us retry_us mark]*], integers. state: 1 it fits,
--        0 it does not fit now, -1 it never fits. `mark` is what limit_return needs.
-- Writes a key per limit, each with a TTL, and only when all fit. A denial writes nothing, except that
--        a key found without TTL gets one (Higress blocks for ever on such a key).
-- Again  charges again: over-counts, never over-admits.
-- Source check all, then charge all: Sentry Relay's is_rate_limited.lua.
local now = clock()
local limits, fit = {}, true
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  local algorithm = algorithms[ARGV[at + 1]]
  local a = {
    limit = tonumber(ARGV[at + 2]),
    window = tonumber(ARGV[at + 3]),
    burst = tonumber(ARGV[at + 4]),
    cost = tonumber(ARGV[at + 5]),
  }
  local seen = algorithm.look(key, now, a)
  fit = fit and seen.state == 1
  limits[i] = { algorithm = algorithm, a = a, seen = seen }
end

local answer = { fit and 1 or 0, now }
for i, key in ipairs(KEYS) do
  local algorithm, a, seen = limits[i].algorithm, limits[i].a, limits[i].seen
  if fit and a.cost > 0 then
    local value = algorithm.value(seen, a)
    call('SET', key, value, 'PX', ttl(algorithm.left(seen, now, a)))
  elseif seen.found and call('PTTL', key) == -1 then
    call('PEXPIRE', key, ttl(algorithm.left(seen, now, a)))
  end
  local available, reset, retry, mark = algorithm.numbers(seen, now, a)
  answer[i + 2] = { seen.state, available, reset, retry, mark }
end
return answer
