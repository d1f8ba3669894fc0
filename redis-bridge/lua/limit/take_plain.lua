-- limit_take_plain: limit_take of what nearly every request asks, fixed windows and token buckets without
-- options, written out: the algorithms' functions and limit_take's tables cost more than the
-- arithmetic, and this is the script that runs most. What is answered and kept is the same to the byte
-- (tested); fixed_window.lua and token_bucket.lua say what it means.
--
-- KEYS   one per limit; all share the subject's hash tag on a Cluster.
-- ARGV   per key: algorithm, limit (units), window (us), burst (units), cost (units). Integers, at
--        most 2^53; cost 0 looks.
-- Answer as limit_take, without options.
-- Writes as limit_take.
-- Again  charges again: over-counts, never over-admits.
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local count = #KEYS
local seen, fit, answer = nil, 1, nil
if count > 1 then
  seen, answer = {}, { 1, now }
end
-- All limits are looked at, then all are settled; a single one is settled where it was looked at.
for step = 1, count > 1 and 2 or 1 do
  for i = 1, count do
    local at = i * 5
    local key, limit, window, cost = KEYS[i], tonumber(ARGV[at - 3]), tonumber(ARGV[at - 2]), tonumber(ARGV[at])
    local windowed = ARGV[at - 4] == 'fixed_window'
    local state, found, a, used, held, unit, burst
    if step == 2 then
      state, found, a, used, held = unpack(seen[i], 1, 5)
    end
    if windowed then
      if step == 1 then
        found, a, used, held = call('GET', key), floor(now / window), 0, 0
        if found then
          local id, u = match(found, '^(%d+):(%d+)$')
          local h = 0
          if not id then
            id, u, h = match(found, '^(%d+):(%d+):(%d+)$')
            h = h and #h <= 16 and tonumber(h) or MAX + 2
          end
          if id and #id <= 16 and #u <= 16 and h <= MAX then
            id, u = tonumber(id), tonumber(u)
            if id >= a and (id + 1) * window <= MAX and u <= MAX then
              a, used, held = id, u, h
            end
          end
        end
        state = (cost == 0 or cost <= limit and used <= limit - cost) and 1 or cost > limit and -1
          or held > now and -2 or 0
      end
    elseif ARGV[at - 4] == 'token_bucket' then
      unit, burst = ceil(window / limit), tonumber(ARGV[at - 1])
      if step == 1 then
        found, a, held = call('GET', key), nil, 0
        if found then
          local t, h = match(found, '^(%d+)$'), 0
          if not t then
            t, h = match(found, '^(%d+):(%d+)$')
            h = h and #h <= 16 and tonumber(h) or MAX + 2
          end
          if t and #t <= 16 and h <= MAX then
            t = tonumber(t)
            if t <= 6755399441055744 then -- 2^53 - 2^51: with the longest refill added it stays exact
              a, held = t, h
            end
          end
        end
        a = a and a > now and a or now
        state = cost > burst and -1 or (cost == 0 or a - now <= (burst - cost) * unit) and 1
          or held > now and -2 or 0
      end
    else
      return redis.error_reply('SHAPE unknown algorithm')
    end
    if count > 1 and step == 1 then
      seen[i] = { state, found, a, used, held }
      if state ~= 1 then
        fit = 0
      end
    else
      -- 5000 ms: limit/prelude.lua, MARGIN_MS.
      local charge = fit == 1 and state == 1 and cost or 0
      local available, reset, retry, mark, left, value
      if windowed then
        mark = (a + 1) * window
        left = mark - now
        if charge > 0 then
          used = used + charge
          value = format(held > now and '%.0f:%.0f:%.0f' or '%.0f:%.0f', a, used, held)
        end
        available, reset = used < limit and limit - used or 0, left
        retry = state == 0 and left or state == -2 and held - now or 0
      else
        mark = a + charge * unit
        left = mark - now
        if charge > 0 then
          value = format(held > now and '%.0f:%.0f' or '%.0f', mark, held)
        end
        local room = burst * unit - left
        available = room > 0 and floor(room / unit) or 0
        reset = available == 0 and unit - room or available * unit
        retry = state == 0 and cost * unit - room or state == -2 and held - now or 0
      end
      if value then
        call('SET', key, value, 'PX', ceil(left / 1000) + 5000)
      elseif found and call('PTTL', key) == -1 then
        call('PEXPIRE', key, ceil(left / 1000) + 5000)
      end
      if count == 1 then
        return { state == 1 and 1 or 0, now, { state, available, reset, retry, mark } }
      end
      answer[i + 2] = { state, available, reset, retry, mark }
    end
  end
end
answer[1] = fit
return answer
