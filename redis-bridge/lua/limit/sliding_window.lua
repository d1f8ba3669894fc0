-- sliding_window: about `limit` units in any window, from two counters.
--
-- Value "id:previous:current", id = floor(now / window), and ":until" while a charge in it is provisional.
-- What counts is current + ceil(previous * (window - elapsed) / window): the last window as if it had been
-- spent evenly (Cloudflare, "counting things, a lot of different things"). When the clock stepped back
-- the stored window stays and the one before counts in full. `burst` means nothing. The mark is the end
-- of the window charged in; a charge can be given back in the window after, too.
-- R4: in any window at most limit + eps(limit), eps = P * s / window, where P of the last window's units
-- came after its part s; so 0 for even demand and below `limit` for demand made to measure: all of it in
-- the last instant of a window, then whatever is let through. Measured against the log on the same
-- arrivals, limit 100 (tests/it/properties.rs): 1 above for even demand, 3 for random gaps, 0 for bursts
-- after a silence, of which it admits 9 % less, and 99 for demand made to measure.
-- Source: retry_us is the first microsecond at which this very arithmetic lets `need` through.
local function sliding_window()
  -- The units that count `elapsed` us into a window.
  local function sliding_weighed(window, elapsed, previous)
    return ceil(previous * (window - elapsed) / window)
  end

  -- The first microsecond at which no more than `room` units count, if nothing is charged until then.
  local function sliding_first(window, starts, previous, current, room)
    local rest = room - current
    if rest < 0 then
      starts, previous, rest = starts + window, current, room
    end
    if previous <= rest then
      return starts
    end
    -- One too early, then on: the quotient is rounded, by less than 1.
    local elapsed = window - floor(rest * window / previous) - 1
    if elapsed < 0 then
      elapsed = 0
    end
    while sliding_weighed(window, elapsed, previous) > rest do
      elapsed = elapsed + 1
    end
    return starts + elapsed
  end

  local function look(key, limit, window, burst, need)
    local value = call('GET', key)
    local id, previous, current, held = floor(now / window), 0, 0, 0
    if value then
      local i, p, c, h = match(value, '^(%d+):(%d+):(%d+):?(%d*)$')
      i, p, c, h = integer(i), integer(p), integer(c), integer(h == '' and '0' or h)
      if i and p and c and h and i >= id - 1 and (i + 2) * window <= MAX then
        if i >= id then
          id, previous, current = i, p, c
        else
          previous = c
        end
        held = h
      end
    end
    local elapsed = now - id * window
    local used = current + sliding_weighed(window, elapsed > 0 and elapsed or 0, previous)
    return verdict(used, need, limit, held), value, id, previous, current, held
  end

  local function settle(key, limit, window, burst, need, charge, lease, state, found, id, previous, current, held)
    local starts = id * window
    local elapsed = now - starts
    local used = current + sliding_weighed(window, elapsed > 0 and elapsed or 0, previous)
    local left = starts + 2 * window - now
    local leased = granted(lease, limit - used - charge)
    held = lent(held, leased)
    if charge + leased > 0 then
      current, used = current + charge + leased, used + charge + leased
      if current > MAX then
        current = MAX
      end
      call('SET', key, format('%.0f:%.0f:%.0f%s', id, previous, current, marked(held)), 'PX', ttl(left))
    elseif found then
      repair(key, left)
    end
    local available = used < limit and limit - used or 0
    local reset = window
    if available == 0 then
      reset = sliding_first(window, starts, previous, current, limit - 1) - now
    end
    local retry = 0
    if state == 0 then
      retry = sliding_first(window, starts, previous, current, limit - need) - now
    elseif state == -2 then
      retry = held - now
    end
    return available, reset, retry, starts + window, leased
  end

  local function give_back(key, limit, window, burst, cost, mark)
    local _, found, id, previous, current, held = look(key, limit, window, burst, 0)
    local give = 0
    if (id + 1) * window == mark then
      give = cost < current and cost or current
      current = current - give
    elseif id * window == mark then
      give = cost < previous and cost or previous
      previous = previous - give
    end
    if not found or give == 0 then
      return 0
    end
    call('SET', key, format('%.0f:%.0f:%.0f%s', id, previous, current, marked(held)), 'PX', ttl((id + 2) * window - now))
    return give
  end

  return look, settle, give_back
end

