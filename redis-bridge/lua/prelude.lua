-- What every script starts with: the commands, the clock, numbers, TTLs.
--
-- Time is Redis' own (`TIME`), never a caller's: two gateways whose clocks were 5 s apart made two
-- popular limiters admit 200 of 200. Microseconds since the epoch are exact in a double until 2255.
--
-- A command takes an integer as a number: Redis writes it in full up to 2^53. Into a text of ours it
-- goes by `text` or '%.0f'.

local call, try = redis.call, redis.pcall
local tonumber, find, format, match = tonumber, string.find, string.format, string.match
local ceil, floor = math.ceil, math.floor
local MAX = 9007199254740992 -- 2^53

-- Microseconds since the epoch.
local function clock()
  local t = call('TIME')
  return t[1] * 1000000 + t[2]
end

-- An integer as text; tostring() would say 1.7e+15.
local function text(n)
  return format('%.0f', n)
end

-- The number a stored text means, when it is a decimal of at most 2^53; else nil.
local function integer(s)
  if type(s) ~= 'string' or #s > 16 or not find(s, '^%d+$') then
    return nil
  end
  local n = tonumber(s)
  return n <= MAX and n or nil
end

-- Gives a key at least `ms` to live: repairs a missing TTL, never shortens one.
local function extend(key, ms)
  if call('PTTL', key) < ms then
    call('PEXPIRE', key, ms)
  end
end

-- Ends a key `ms` after `now`. PEXPIRE would count from when it runs, a little after `now`: past a deadline.
local function expire(key, now, ms)
  call('PEXPIREAT', key, floor(now / 1000) + ms)
end

