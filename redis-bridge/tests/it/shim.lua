-- Stands in for the first line of the prelude in tests: `TIME` is what the test says (key `__now`, us),
-- and TTLs are kept beside the data (hash `__ttl`) so that they follow that clock.
local NOW = tonumber(redis.call('GET', '__now'))
local NOW_MS = math.floor(NOW / 1000)
local function fmt(n) return string.format('%.0f', n) end

local function lapse(key)
  local at = redis.call('HGET', '__ttl', key)
  if at and NOW_MS > tonumber(at) then
    redis.call('DEL', key)
    redis.call('HDEL', '__ttl', key)
  end
end

local function shim(run)
  return function(command, key, ...)
    if command == 'TIME' then
      return { fmt(math.floor(NOW / 1000000)), fmt(NOW % 1000000) }
    end
    lapse(key)
    if command == 'PTTL' then
      if redis.call('EXISTS', key) == 0 then return -2 end
      local at = redis.call('HGET', '__ttl', key)
      return at and tonumber(at) - NOW_MS or -1
    elseif command == 'PEXPIRE' then
      if redis.call('EXISTS', key) == 0 then return 0 end
      redis.call('HSET', '__ttl', key, fmt(NOW_MS + tonumber((...))))
      return 1
    elseif command == 'PEXPIREAT' then
      if redis.call('EXISTS', key) == 0 then return 0 end
      redis.call('HSET', '__ttl', key, (...))
      return 1
    elseif command == 'SET' then
      local value, px, ms, nx = ...
      assert(px == 'PX', 'a SET without TTL')
      if nx and redis.call('EXISTS', key) == 1 then return false end
      redis.call('SET', key, value)
      redis.call('HSET', '__ttl', key, fmt(NOW_MS + tonumber(ms)))
      return { ok = 'OK' }
    end
    local answer = run(command, key, ...)
    if redis.call('EXISTS', key) == 0 then redis.call('HDEL', '__ttl', key) end
    return answer
  end
end

local call, try = shim(redis.call), shim(redis.pcall)
