-- Limits: what the algorithms share.
--
-- An algorithm is a table of functions over (key, now, a); `a` holds its arguments, all integers:
--   a.limit units per window   a.window us   a.burst units (a bucket's capacity)   a.cost units
--
--   look     what is stored, and whether a.cost fits: state 1 fits, 0 not now, -1 never.
--            Writes nothing. Cost 0 looks only and always fits.
--   value    what is to be stored once a.cost is charged.
--   left     time until the key means nothing any more, us; its TTL follows from it.
--   numbers  available, reset_us, retry_us, mark, for the answer.
--   undo     what is to be stored once a.cost, charged under `mark`, is given back; nil: leave it.
local algorithms = {}

-- A key outlives its meaning by this much, ms, so that a clock that is stepped a little does not hand
-- out a fresh limit.
local MARGIN_MS = 5000

local function ttl(left)
  return text(math.ceil(math.max(left, 0) / 1000) + MARGIN_MS)
end

