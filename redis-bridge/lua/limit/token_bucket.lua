-- token_bucket: `limit` units per window flow in, at most `burst` are held.
--
-- Value: the theoretical arrival time (TAT), us: when the bucket is full again. GCRA (ITU-T I.371),
-- as in redis_rate and redis-cell, in integers: a unit takes ceil(window / limit) us, so the rate is
-- at most the limit's. TAT never moves back with the clock, so a clock that steps back adds no credit.
-- The key lives until the bucket is full, which follows from the burst, not from the rate (Traefik
-- hands the whole burst back after 2.3 s). The mark is the TAT after the charge.
local function token_bucket()
  local function look(key, limit, window, burst, need)
    local found, tat, held = moment_at(key)
    local state = 1
    if need > burst then
      state = -1
    elseif need > 0 then
      local unit = ceil(window / limit)
      if tat - now > (burst - need) * unit then
        state = held > now and -2 or 0
      end
    end
    return state, found, tat, held
  end

  local function settle(key, limit, window, burst, need, charge, lease, state, found, tat, held)
    local unit = ceil(window / limit)
    local leased = 0
    if charge > 0 then
      tat = later(tat, charge, unit)
    end
    if lease > 0 then
      leased = granted(lease, floor((burst * unit - tat + now) / unit))
      held = lent(held, leased)
      tat = tat + leased * unit
    end
    local left = tat - now
    if charge + leased > 0 then
      call('SET', key, text(tat) .. marked(held), 'PX', ttl(left))
    elseif found then
      repair(key, left)
    end
    -- reset_us: the effective window of `available` (draft-ietf-httpapi-ratelimit-headers-11): the wait
    -- for the next unit when there is none, else what the available units take to flow in.
    local room = burst * unit - left
    local available = room > 0 and floor(room / unit) or 0
    local reset = available == 0 and unit - room or available * unit
    local retry = state == 0 and need * unit - room or state == -2 and held - now or 0
    return available, reset, retry, tat, leased
  end

  -- What has flowed in since it was charged is there already and not given back again. Two returns that
  -- overlap may give back at most what flowed in between them.
  local function give_back(key, limit, window, burst, cost, mark)
    local found, tat, held = moment_at(key)
    local unit = ceil(window / limit)
    local give = math.min(cost * unit, mark - now, tat - now)
    if not found or give <= 0 then
      return 0
    end
    tat = tat - give
    call('SET', key, text(tat) .. marked(held), 'PX', ttl(tat - now))
    return floor(give / unit)
  end

  return look, settle, give_back
end

