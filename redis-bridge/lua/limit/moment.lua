-- A moment, us, as token_bucket and leaky_bucket keep one: "moment", and ":until" while a charge in it is
-- provisional. What is stored, whatever it is; the moment, at least `now`; and until when.
local function moment_at(key)
  local value = call('GET', key)
  local at, held = integer(value), 0
  if value and not at then
    local a, h = match(value, '^(%d+):(%d+)$')
    at, held = integer(a), integer(h)
    if not held then
      at, held = nil, 0
    end
  end
  if not at or at > MOMENT_MAX then
    return value, now, 0
  end
  return value, at > now and at or now, held
end

-- `cost` times `unit` us later; a debt is bounded so that it stays exact.
local function later(at, cost, unit)
  local by = cost * unit
  at = at + (by < REFILL_MAX and by or REFILL_MAX)
  return at < MOMENT_MAX and at or MOMENT_MAX
end

