-- token_bucket: `limit` units per window flow in, at most `burst` are held.
--
-- Value: the theoretical arrival time (TAT), us: when the bucket is full again. GCRA (ITU-T I.371),
-- as in redis_rate and redis-cell, in integers: a unit takes ceil(window / limit) us, so the rate is
-- at most the limit's. TAT never moves back with the clock, so a clock that steps back adds no credit.
-- The key lives until the bucket is full, which follows from the burst, not from the rate (Traefik
-- hands the whole burst back after 2.3 s).

-- What is stored, whatever it is, and the TAT, at least `now`.
local function tat_at(key, now)
  local value = call('GET', key)
  local tat = integer(value)
  -- 2^53 - 2^51: with the longest refill added it stays exact.
  if not tat or tat > 6755399441055744 or tat < now then
    return value, now
  end
  return value, tat
end

