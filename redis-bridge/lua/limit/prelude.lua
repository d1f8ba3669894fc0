-- Limits: what the algorithms share.

-- A key outlives its meaning by this much, ms, so that a clock that is stepped a little does not hand
-- out a fresh limit.
local MARGIN_MS = 5000

-- TTL (ms) of a key that means something for `left` us more.
local function ttl(left)
  return ceil(left > 0 and left / 1000 or 0) + MARGIN_MS
end

