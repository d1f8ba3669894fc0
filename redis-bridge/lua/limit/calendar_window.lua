-- calendar_window: `limit` units per day, week, month or year of a time zone (a fixed_window for those
-- who configure it).
--
-- Redis knows no calendar: the bridge computes where windows meet around its idea of Redis' time, and the
-- window is picked here, by Redis' clock. `burst` is those boundaries, us, ascending, blanks between;
-- a window that is not among them has no state (nil): the bridge is told the time and asks again.
-- Value "start-end:used", and ":until" while a charge in it is provisional. Start and end are in the value,
-- so a window once opened lasts to its end, whatever a clock that steps back or another release of the
-- time zone database says. `window` means nothing. The mark is the window's end.
local function calendar_window()
  local function look(key, limit, window, burst, need)
    local value = call('GET', key)
    if value then
      local s, e, u, h = match(value, '^(%d+)%-(%d+):(%d+):?(%d*)$')
      s, e, u, h = integer(s), integer(e), integer(u), integer(h == '' and '0' or h)
      if s and e and u and h and s < e and e > now and e <= MOMENT_MAX then
        return verdict(u, need, limit, h), value, s, e, u, h
      end
    end
    local starts
    for bound in string.gmatch(burst, '%d+') do
      bound = tonumber(bound)
      if bound > now then
        if not starts then
          return nil
        end
        return verdict(0, need, limit, 0), value, starts, bound, 0, 0
      end
      starts = bound
    end
    return nil
  end

  local function settle(key, limit, window, burst, need, charge, lease, state, found, starts, ends, used, held)
    local left = ends - now
    local leased = granted(lease, limit - used - charge)
    held = lent(held, leased)
    if charge + leased > 0 then
      used = used + charge + leased
      if used > MAX then
        used = MAX
      end
      call('SET', key, format('%.0f-%.0f:%.0f%s', starts, ends, used, marked(held)), 'PX', ttl(left))
    elseif found then
      repair(key, left)
    end
    local retry = state == 0 and left or state == -2 and held - now or 0
    return used < limit and limit - used or 0, left, retry, ends, leased
  end

  -- Only in the window it was charged in; which one that was, the mark says.
  local function give_back(key, limit, window, burst, cost, mark)
    local state, found, starts, ends, used, held = look(key, limit, window, '', 0)
    if not state or ends ~= mark or used == 0 or cost == 0 then
      return 0
    end
    local give = cost < used and cost or used
    call('SET', key, format('%.0f-%.0f:%.0f%s', starts, ends, used - give, marked(held)), 'PX', ttl(ends - now))
    return give
  end

  return look, settle, give_back
end

