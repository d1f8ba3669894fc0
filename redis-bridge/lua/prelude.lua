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

