-- limit_take: all limits of a request, or none of them.
--
-- KEYS   one per limit, then the overrides that are named below; all share the subject's hash tag.
-- ARGV   1 when what is charged may be given back at once (several calls make one take), else 0; then
--        per limit: algorithm, limit (units), window (us), burst (what the algorithm says), cost (units),
--        need (units that must be available; 0: it fits), lease (units wanted beyond the cost, 0: none),
--        force (1: it fits, whatever is available), override (which of KEYS, 0: none). Integers, at most
--        2^53; cost and need 0 look.
-- Answer [admitted now_us [state available reset_us retry_us mark [leased limit]]*], integers. state: 1 it
--        fits, 0 it does not fit before retry_us have passed, -1 it never fits, -2 it does not fit at this
--        moment. `mark` is what limit_return needs. `limit` is the key's own, -1: an override that means
--        nothing, 0: none. [-1 now_us]: no calendar window that was named contains now.
-- Writes a key per limit, each with a TTL, and only when all fit. A denial writes nothing, except that
--        a key found without TTL gets one.
-- Again  charges again: over-counts, never over-admits. A slot is taken once.
-- Source check all, then charge all: Sentry Relay's is_rate_limited.lua.
if ARGV[1] == '1' then
  provisional = now + PROVISIONAL_US
end
local count = (#ARGV - 1) / 9
local seen, fit = {}, 1
for i = 1, count do
  local at = i * 9 - 7
  local key, algorithm = KEYS[i], ARGV[at]
  local limit, window, burst, need = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3], tonumber(ARGV[at + 5])
  local own, shown = tonumber(ARGV[at + 8]), 0
  local look, settle
  if algorithm == 'fixed_window' then
    look, settle = fixed_window()
  elseif algorithm == 'token_bucket' then
    look, settle = token_bucket()
    burst = tonumber(burst)
  elseif algorithm == 'sliding_window' then
    look, settle = sliding_window()
  elseif algorithm == 'sliding_window_log' then
    look, settle = sliding_window_log()
  elseif algorithm == 'leaky_bucket' then
    look, settle = leaky_bucket()
    burst = tonumber(burst)
  elseif algorithm == 'concurrency' then
    look, settle = concurrency()
  elseif algorithm == 'calendar_window' then
    look, settle = calendar_window()
  else
    return redis.error_reply('SHAPE unknown algorithm')
  end
  if own > 0 then
    limit, burst, shown = overridden(KEYS[own], algorithm, limit, window, burst)
  end
  seen[i] = { settle, limit, window, burst, need, shown, look(key, limit, window, burst, need) }
  local state = seen[i][7]
  if not state then
    return { -1, now }
  elseif ARGV[at + 7] == '1' then
    seen[i][7] = 1
  elseif state ~= 1 then
    fit = 0
  end
end

local answer = { fit, now }
for i = 1, count do
  local at = i * 9 - 7
  local charge, lease = 0, 0
  if fit == 1 then
    charge, lease = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 6])
  end
  local settle, limit, window, burst, need, shown, state, found, a, b, c, d = unpack(seen[i], 1, 12)
  local available, reset, retry, mark, leased =
    settle(KEYS[i], limit, window, burst, need, charge, lease, state, found, a, b, c, d)
  if ARGV[at + 7] == '1' then
    -- Paid for what has been done: nobody waits.
    retry = 0
  end
  answer[i + 2] = { state, available, reset, retry, mark }
  if leased > 0 or shown ~= 0 then
    answer[i + 2][6], answer[i + 2][7] = leased, shown
  end
end
return answer
