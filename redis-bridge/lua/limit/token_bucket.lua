-- token_bucket: a.limit units per window flow in, at most a.burst are held.
--
-- Value: the theoretical arrival time (TAT), us: when the bucket is full again. GCRA (ITU-T I.371),
-- as in redis_rate and redis-cell, in integers: a unit takes ceil(window / limit) us, so the rate is
-- at most the limit's. TAT never moves back with the clock, so a clock that steps back adds no credit.
-- The key lives until the bucket is full, which follows from the burst, not from the rate (Traefik
-- hands the whole burst back after 2.3 s).
local function emission(a)
  return math.ceil(a.window / a.limit)
end

algorithms.token_bucket = {
  look = function(key, now, a)
    local value = call('GET', key)
    local tat = integer(value)
    -- 2^53 - 2^51: with the longest refill added it stays exact.
    if not tat or tat > 6755399441055744 then
      tat = 0
    end
    local seen = { found = value, tat = math.max(tat, now), state = 1 }
    if a.burst and a.cost > a.burst then
      seen.state = -1
    elseif a.burst and a.cost > 0
      and seen.tat + a.cost * emission(a) - now > a.burst * emission(a) then
      seen.state = 0
    end
    return seen
  end,

  value = function(seen, a)
    seen.tat = seen.tat + a.cost * emission(a)
    return text(seen.tat)
  end,

  left = function(seen, now)
    return seen.tat - now
  end,

  -- reset_us: the effective window of `available` (draft-ietf-httpapi-ratelimit-headers-11): the wait
  -- for the next unit when there is none, else what the available units take to flow in.
  numbers = function(seen, now, a)
    local unit = emission(a)
    local room = a.burst * unit - (seen.tat - now)
    local available = math.max(math.floor(room / unit), 0)
    local reset = available == 0 and unit - room or available * unit
    local retry = seen.state == 0 and a.cost * unit - room or 0
    return available, reset, retry, seen.tat
  end,

  -- What has flowed in since it was charged is there already and not given back again. `mark` is the
  -- TAT after the charge.
  undo = function(seen, now, a, mark)
    local give = math.min(a.cost * emission(a), mark - now)
    if not seen.found or give <= 0 then
      return nil
    end
    seen.tat = math.max(seen.tat - give, now)
    return text(seen.tat)
  end,
}

