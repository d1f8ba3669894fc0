-- Limits: what the algorithms share. Each algorithm is a file with one function, which makes the three
-- below: made on demand, because what a call makes and does not use costs more than what it does.
--
-- look(key, limit, window, burst, need)
--   Reads and judges: does `need` fit? Answers the state (1 it fits, 0 it does not fit now, -1 it never
--   fits, -2 it does not fit at this moment, and nobody knows until when), whether there is anything to
--   repair, and what settle must know.
-- settle(key, limit, window, burst, need, charge, lease, state, found, a, b, c, d)
--   Charges `charge` units and up to `lease` more, writes, and answers available, reset_us, retry_us,
--   mark, leased. With nothing to charge it writes nothing but a TTL that is missing.
-- give_back(key, limit, window, burst, cost, mark)
--   Undoes a charge, as far as it still counts; answers the units really given back.
--
-- Units and microseconds are integers up to 2^53; `burst` is what the algorithm's file says it is.

-- A key outlives its meaning by this much, ms, so that a clock that is stepped a little does not hand
-- out a fresh limit.
local MARGIN_MS = 5000
-- A charge that other limits may still undo marks its value for this long, us: while the mark lives, a
-- denial says -2, for what denies may be about to go. A key at its limit gets no new mark, so it dies.
local PROVISIONAL_US = 1000000
-- A lease marks its value too: what is not spent of it comes back, within the second it lives and what a
-- message takes.
local LEASED_US = 1500000
-- 2^51: the longest refill and the largest debt, us. 2^53 - 2^51: the latest moment that is stored.
local REFILL_MAX, MOMENT_MAX = 2251799813685248, 6755399441055744

local now = clock()
-- Until when what this call charges is provisional, us; 0: it is final.
local provisional = 0

-- TTL (ms) of a key that means something for `left` us more.
local function ttl(left)
  return ceil(left > 0 and left / 1000 or 0) + MARGIN_MS
end

-- The tail of a stored value: until when a charge in it is provisional, if it is.
local function marked(held)
  held = held > provisional and held or provisional
  return held > now and format(':%.0f', held) or ''
end

-- The state of `need` units when `used` of `limit` are used.
local function verdict(used, need, limit, held)
  if need == 0 or need <= limit and used <= limit - need then
    return 1
  elseif need > limit then
    return -1
  end
  return held > now and -2 or 0
end

-- How many of `lease` units are granted when `free` are left: an eighth at most, so that leases shrink
-- as the quota shrinks, other workers find theirs, and the last units are exact.
local function granted(lease, free)
  if lease == 0 or free < 8 then
    return 0
  end
  local most = floor(free / 8)
  return lease < most and lease or most
end

-- Until when a charge is provisional, now that so many units were leased.
local function lent(held, leased)
  local back = now + LEASED_US
  return leased > 0 and back > held and back or held
end

-- Gives a key a TTL when it has none (Higress blocks for ever on such a key).
local function repair(key, left)
  if call('PTTL', key) == -1 then
    call('PEXPIRE', key, ttl(left))
  end
end

