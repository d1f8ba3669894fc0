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

