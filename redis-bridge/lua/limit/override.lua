-- A key's own limit, "5000", or of a token_bucket also "5000 burst=200": read with the limit itself, so it
-- holds from the next call on, and costs no second one. Answers the limit and the burst that count, and
-- what the reply shows: the limit, 0 without one, -1 when there is one that means nothing. Such a
-- one is ignored, whatever type it has: nobody loses a limit by a typing error.
local function overridden(key, algorithm, limit, window, burst)
  local value = try('GET', key)
  if not value then
    return limit, burst, 0
  end
  local own, held
  if type(value) == 'string' then
    own = integer(value)
    if not own and algorithm == 'token_bucket' then
      own, held = match(value, '^(%d+) burst=(%d+)$')
      own, held = integer(own), integer(held)
      if not held or held == 0 then
        own = nil
      end
    end
  end
  if not own or own == 0 or own == MAX
    or algorithm == 'sliding_window_log' and own > 10000
    or algorithm == 'leaky_bucket' and own > window
    or algorithm == 'token_bucket' and (own > window or ceil(window / own) * (held or burst) > REFILL_MAX) then
    return limit, burst, -1
  end
  return own, held or burst, own
end

