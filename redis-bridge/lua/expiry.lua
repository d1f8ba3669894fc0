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

