-- fixed_window: a.limit units per window; windows are aligned to the epoch.
--
-- Value "id:used", id = floor(now / window). The window is in the value, so its end is exact and does
-- not move with the TTL (github.blog, 2021-04-05: a reset header that wobbled). When the clock stepped
-- back (failover to a replica that is behind) the stored id is ahead: it stays, so no window opens
-- twice. A value that is not ours counts as none and is overwritten by the next charge.
-- Source: "used + cost > limit", not "used >= limit", which forgets the cost (APISIX).
algorithms.fixed_window = {
  look = function(key, now, a)
    local value = call('GET', key)
    local seen = { found = value, id = math.floor(now / a.window), used = 0, state = 1 }
    if value then
      local id, used = string.match(value, '^(%d+):(%d+)$')
      id, used = integer(id), integer(used)
      if id and used and id >= seen.id and (id + 1) * a.window <= 9007199254740992 then
        seen.id, seen.used = id, used
      end
    end
    if a.cost > a.limit then
      seen.state = -1
    elseif a.cost > 0 and seen.used > a.limit - a.cost then
      seen.state = 0
    end
    return seen
  end,

  value = function(seen, a)
    seen.used = seen.used + a.cost
    return text(seen.id) .. ':' .. text(seen.used)
  end,

  left = function(seen, now, a)
    return (seen.id + 1) * a.window - now
  end,

  numbers = function(seen, now, a)
    local reset = (seen.id + 1) * a.window - now
    return math.max(a.limit - seen.used, 0), reset, seen.state == 0 and reset or 0, now + reset
  end,

  -- Only in the window it was charged in.
  undo = function(seen, now, a, mark)
    if not seen.found or (seen.id + 1) * a.window ~= mark or seen.used == 0 then
      return nil
    end
    seen.used = math.max(seen.used - a.cost, 0)
    return text(seen.id) .. ':' .. text(seen.used)
  end,
}

