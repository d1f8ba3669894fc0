-- fixed_window: `limit` units per window; windows are aligned to the epoch.
--
-- Value "id:used", id = floor(now / window). The window is in the value, so its end is exact and does
-- not move with the TTL (github.blog, 2021-04-05: a reset header that wobbled). When the clock stepped
-- back (failover to a replica that is behind) the stored id is ahead: it stays, so no window opens
-- twice. A value that is not ours counts as none and is overwritten by the next charge.
-- Source: "used + cost > limit", not "used >= limit", which forgets the cost (APISIX).

-- What is stored, whatever it is, the window that counts, and the units used in it.
local function window_at(key, now, window)
  local value = call('GET', key)
  local id = floor(now / window)
  if value then
    local i, u = match(value, '^(%d+):(%d+)$')
    if i and #i <= 16 and #u <= 16 then
      i, u = tonumber(i), tonumber(u)
      if i >= id and (i + 1) * window <= MAX and u <= MAX then
        return value, i, u
      end
    end
  end
  return value, id, 0
end

