-- What scripts of sessions share.
--
-- Session: hash of v (sealed value), e (epoch at creation), d (absolute deadline, us), c (created, us),
--        n (version; missing: 1). One that was replaced and is still in its grace has s (the successor's
--        secret, sealed) and m (the successor's member) too, and its successor p (its predecessor's
--        member).

-- The session when it is valid now, { value, epoch, deadline, version, successor's secret | false }; nil
-- when it is not. When nobody can tell (invariant S4) an error comes second: no epoch is never read as
-- epoch 0, or losing it would bring revoked sessions back.
local function live(key, epoch_key, now)
  local stored = call('HMGET', key, 'v', 'e', 'd', 'n', 's')
  local value, epoch, deadline = stored[1], stored[2], integer(stored[3])
  if not value and not epoch and not stored[3] and call('EXISTS', key) == 0 then
    return nil
  end
  local version = stored[4] and integer(stored[4]) or not stored[4] and 1
  if not value or not integer(epoch) or not deadline or not version then
    return nil, redis.error_reply('SHAPE not a session')
  end
  local current = call('GET', epoch_key)
  if not integer(current) then
    return nil, redis.error_reply('SHAPE no epoch')
  end
  if current ~= epoch or now >= deadline then
    return nil
  end
  return { value, epoch, deadline, version, stored[5] }
end

-- Ends a session under both its tokens: whoever ends one of them means the person behind both. Answers
-- whether it was there.
local function finish(prefix, member, index)
  local twins = try('HMGET', prefix .. member, 'p', 'm')
  for at = 1, 2 do
    local twin = twins[at]
    if twin then
      call('UNLINK', prefix .. twin)
      try('ZREM', index, twin)
    end
  end
  local removed = call('UNLINK', prefix .. member)
  try('ZREM', index, member)
  return removed
end

