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
-- Per limit what was seen, in the order of `unpack` below: one plain array each, no function of its own,
-- for this is the script that runs most.
local seen, fit = {}, 1
for i = 1, #KEYS do
  local at = i * 5
  local algorithm, limit, window = ARGV[at - 4], tonumber(ARGV[at - 3]), tonumber(ARGV[at - 2])
  local cost = tonumber(ARGV[at])
  local state = 1
  if algorithm == 'fixed_window' then
    local found, id, used = window_at(KEYS[i], now, window)
    if cost > limit then
      state = -1
    elseif cost > 0 and used > limit - cost then
      state = 0
    end
    seen[i] = { state, found, cost, id, used, limit, window }
  elseif algorithm == 'token_bucket' then
    local found, tat = tat_at(KEYS[i], now)
    local burst, unit = tonumber(ARGV[at - 1]), ceil(window / limit)
    if cost > burst then
      state = -1
    elseif cost > 0 and tat + cost * unit - now > burst * unit then
      state = 0
    end
    seen[i] = { state, found, cost, tat, unit, burst }
  else
    return redis.error_reply('SHAPE unknown algorithm')
  end
  if state ~= 1 then
    fit = 0
  end
end

local answer = { fit, now }
for i = 1, #KEYS do
  local key, value, left = KEYS[i], nil, nil
  local state, found, cost, a, b, c, window = unpack(seen[i])
  local charge = fit == 1 and cost or 0
  if window then
    local id, used, limit = a, b + charge, c
    local ends = (id + 1) * window
    left = ends - now
    if charge > 0 then
      value = format('%.0f:%.0f', id, used)
    end
    answer[i + 2] = { state, used < limit and limit - used or 0, left, state == 0 and left or 0, ends }
  else
    -- reset_us: the effective window of `available` (draft-ietf-httpapi-ratelimit-headers-11): the wait
    -- for the next unit when there is none, else what the available units take to flow in.
    local tat, unit, burst = a + charge * b, b, c
    left = tat - now
    if charge > 0 then
      value = tat
    end
    local room = burst * unit - left
    local available = room > 0 and floor(room / unit) or 0
    local reset = available == 0 and unit - room or available * unit
    answer[i + 2] = { state, available, reset, state == 0 and cost * unit - room or 0, tat }
  end
  if value then
    call('SET', key, value, 'PX', ttl(left))
  elseif found and call('PTTL', key) == -1 then
    call('PEXPIRE', key, ttl(left))
  end
end
return answer
