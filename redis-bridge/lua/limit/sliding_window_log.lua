-- sliding_window_log: never more than `limit` units in any window, exactly.
--
-- Sorted set: a member "time:cost" per charge, its score the time, us, strictly increasing (two gateways
-- that log in the same instant are two entries; skipper merges them), so a clock that steps back logs just
-- behind the newest entry. An entry counts while now - time < window. Member "s" has minus the sum of
-- all costs as its score, so no call adds up what counts; "p" has minus the time until which a charge is
-- provisional. Both are below every time. What no longer counts is read by each call and removed by
-- the next one that charges: one that denies writes nothing.
-- Memory grows with `limit`, which the bridge caps at 10,000. `burst` means nothing. The mark is the
-- entry's time; a return removes the entry, or what is given back of its cost.
-- Source: the log of Figma's and skipper's limiters, with costs, in one call, on Redis' clock.
local function sliding_window_log()
  -- The cost of a member; 0 when it is not ours.
  local function log_cost(member)
    return integer(match(member, '^%d+:(%d+)$')) or 0
  end

  -- Us from now until `units` of what counts have left; 0 when there are not as many.
  local function log_wait(key, window, units)
    local live = call('ZRANGEBYSCORE', key, format('(%.0f', now - window), '+inf', 'WITHSCORES', 'LIMIT', 0, units)
    local gone, wait = 0, 0
    for i = 1, #live, 2 do
      gone, wait = gone + log_cost(live[i]), tonumber(live[i + 1]) + window - now
      if gone >= units then
        break
      end
    end
    return wait
  end

  local function look(key, limit, window, burst, need)
    local newest = call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
    local last, used, held, over = 0, 0, 0, {}
    if newest[1] then
      last = math.max(tonumber(newest[2]), 0)
      used = -(tonumber(call('ZSCORE', key, 's') or 0))
      held = -(tonumber(call('ZSCORE', key, 'p') or 0))
      over = call('ZRANGEBYSCORE', key, '(0', now - window)
      for i = 1, #over do
        used = used - log_cost(over[i])
      end
      used = used > 0 and used or 0
    end
    return verdict(used, need, limit, held), newest[1], used, last, #over, held
  end

  local function settle(key, limit, window, burst, need, charge, lease, state, found, used, last, over, held)
    local time = last
    if charge > 0 then
      time = math.min(math.max(now, last + 1), MOMENT_MAX)
      used = math.min(used + charge, MAX)
      if over > 0 then
        call('ZREMRANGEBYSCORE', key, '(0', now - window)
      end
      call('ZADD', key, 0 - used, 's', time, format('%.0f:%.0f', time, charge))
      if provisional > 0 then
        call('ZADD', key, 0 - provisional, 'p')
      end
      call('PEXPIRE', key, ttl(time + window - now))
    elseif found then
      repair(key, math.max(last, now) + window - now)
    end
    local available = used < limit and limit - used or 0
    local reset = available > 0 and window or log_wait(key, window, used + 1 - limit)
    local retry = state == 0 and log_wait(key, window, used + need - limit) or state == -2 and held - now or 0
    return available, reset, retry, time, 0
  end

  local function give_back(key, limit, window, burst, cost, mark)
    if cost == 0 or now - mark >= window then
      return 0
    end
    local found = call('ZRANGEBYSCORE', key, mark, mark)
    for i = 1, #found do
      local whole = log_cost(found[i])
      if whole > 0 then
        local give = cost < whole and cost or whole
        local used = -(tonumber(call('ZSCORE', key, 's') or 0)) - give
        call('ZADD', key, 0 - (used > 0 and used or 0), 's')
        call('ZREM', key, found[i])
        if whole > give then
          call('ZADD', key, mark, format('%.0f:%.0f', mark, whole - give))
        end
        repair(key, mark + window - now)
        return give
      end
    end
    return 0
  end

  return look, settle, give_back
end

