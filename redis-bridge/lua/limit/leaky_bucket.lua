-- leaky_bucket: one unit at a time leaves, `limit` per window, evenly; a request waits for its turn.
--
-- Value: when the next unit may leave, us. A unit takes ceil(window / limit) us, so granted turns are at
-- least that far apart (R6). `burst` is the longest wait, us: what would wait longer is denied, and no
-- cost is too large, for it is the first unit that waits. Admitted, retry_us is the wait, and the bridge
-- holds the answer until it is over: a proxy cannot, a script must not. The mark is the value after the
-- charge; a turn is given back only while nobody stands behind it, or two would leave at once.
-- Source: skipper's leakybucket.lua and nginx' limit_req with `delay`, by Redis' clock (APISIX's limit-req
-- takes the gateway's and admits 200 of 200 when two differ by 5 s).
local function leaky_bucket()
  local function look(key, limit, window, burst, need)
    local found, next, held = moment_at(key)
    local state = 1
    if need > 0 and next - now > burst then
      state = held > now and -2 or 0
    end
    return state, found, next, held
  end

  local function settle(key, limit, window, burst, need, charge, lease, state, found, next, held)
    local unit = ceil(window / limit)
    local wait = next - now
    local retry = state == 0 and wait - burst or state == -2 and held - now or charge > 0 and wait or 0
    if charge > 0 then
      next = later(next, charge, unit)
      call('SET', key, text(next) .. marked(held), 'PX', ttl(next - now))
    elseif found then
      repair(key, wait)
    end
    local left = next - now
    local available = left <= burst and floor((burst - left) / unit) + 1 or 0
    return available, left, retry, next, 0
  end

  local function give_back(key, limit, window, burst, cost, mark)
    local found, next, held = moment_at(key)
    local unit = ceil(window / limit)
    local give = math.min(cost * unit, mark - now)
    if not found or next ~= mark or give <= 0 then
      return 0
    end
    call('SET', key, text(next - give) .. marked(held), 'PX', ttl(next - give - now))
    return floor(give / unit)
  end

  return look, settle, give_back
end

