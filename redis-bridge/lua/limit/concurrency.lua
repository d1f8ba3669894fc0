-- concurrency: at most `limit` slots are held at once.
--
-- Sorted set: a member per slot, its score the time, us, when the slot ends by itself, `window` us after
-- it was taken: a worker that is killed leaks nothing for longer (APISIX' limit-conn leaks). `burst` is the
-- slot's id; taking it again takes it once and lets it live on. A slot may be given back at any time, so
-- full is -2, never 0, and retry_us, when the next one ends by itself, is a hint. Slots that ended are
-- removed by the next call that takes one: one that denies writes nothing. The mark is 0: the id names
-- the slot.
local function concurrency()
  local function look(key, limit, window, burst, need)
    local after = format('(%.0f', now)
    local live = call('ZCOUNT', key, after, '+inf')
    local first, mine = 0, 0
    if live > 0 then
      first = tonumber(call('ZRANGEBYSCORE', key, after, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2])
      mine = tonumber(call('ZSCORE', key, burst) or 0) > now and 1 or 0
    end
    local state = 1
    if need > limit then
      state = -1
    elseif need > 0 and mine == 0 and live > limit - need then
      state = -2
    end
    return state, true, live, first, mine
  end

  local function settle(key, limit, window, burst, need, charge, lease, state, found, live, first, mine)
    if charge > 0 then
      live = live + 1 - mine
      first = first > 0 and first or now + window
      call('ZREMRANGEBYSCORE', key, '-inf', now)
      call('ZADD', key, now + window, burst)
      extend(key, ttl(window))
    else
      repair(key, window)
    end
    local reset = first > 0 and first - now or 0
    return live < limit and limit - live or 0, reset, state == -2 and reset or 0, 0, 0
  end

  local function give_back(key, limit, window, burst, cost, mark)
    local ends = tonumber(call('ZSCORE', key, burst) or 0)
    if ends <= now then
      return 0
    end
    call('ZREM', key, burst)
    repair(key, window)
    return 1
  end

  return look, settle, give_back
end

