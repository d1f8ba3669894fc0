-- fixed_window: `limit` units per window; windows are aligned to the epoch.
--
-- Value "id:used", id = floor(now / window), and ":until" while a charge in it is provisional. The window
-- is in the value, so its end is exact and does not move with the TTL (github.blog, 2021-04-05: a reset
-- header that wobbled). When the clock stepped back (failover to a replica that is behind) the stored id
-- is ahead: it stays, so no window opens twice. A value that is not ours counts as none and is
-- overwritten by the next charge. `burst` means nothing. The mark is the window's end.
-- Source: "used + cost > limit", not "used >= limit", which forgets the cost (APISIX).
local function fixed_window()
  local function look(key, limit, window, burst, need)
    local value = call('GET', key)
    local id, used, held = floor(now / window), 0, 0
    if value then
      local i, u = match(value, '^(%d+):(%d+)$')
      local h = '0'
      if not i then
        i, u, h = match(value, '^(%d+):(%d+):(%d+)$')
      end
      if i and #i <= 16 and #u <= 16 then
        i, u, h = tonumber(i), tonumber(u), integer(h)
        if i >= id and (i + 1) * window <= MAX and u <= MAX and h then
          id, used, held = i, u, h
        end
      end
    end
    return verdict(used, need, limit, held), value, id, used, held
  end

  local function settle(key, limit, window, burst, need, charge, lease, state, found, id, used, held)
    local ends = (id + 1) * window
    local left = ends - now
    local leased = granted(lease, limit - used - charge)
    held = lent(held, leased)
    if charge + leased > 0 then
      used = used + charge + leased
      if used > MAX then
        used = MAX
      end
      call('SET', key, format('%.0f:%.0f%s', id, used, marked(held)), 'PX', ttl(left))
    elseif found then
      repair(key, left)
    end
    local retry = state == 0 and left or state == -2 and held - now or 0
    return used < limit and limit - used or 0, left, retry, ends, leased
  end

  -- Only in the window it was charged in.
  local function give_back(key, limit, window, burst, cost, mark)
    local _, found, id, used, held = look(key, limit, window, burst, 0)
    local ends = (id + 1) * window
    if not found or ends ~= mark or used == 0 or cost == 0 then
      return 0
    end
    local give = cost < used and cost or used
    call('SET', key, format('%.0f:%.0f%s', id, used - give, marked(held)), 'PX', ttl(ends - now))
    return give
  end

  return look, settle, give_back
end

