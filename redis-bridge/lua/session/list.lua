-- session_list: a user's live sessions.
--
-- KEYS   epoch of the user, index of the user; one hash tag.
-- ARGV   prefix of the user's session keys.
-- Answer [[member created_us deadline_us idle_left_ms]*], the one that ends first first, at most 100.
--        The value stays sealed: only the token opens it.
-- Writes nothing.
local now = clock()
local epoch = call('GET', KEYS[1])
local answer = {}
if not epoch then
  return answer
end
for _, member in ipairs(call('ZRANGE', KEYS[2], '0', '99')) do
  local key = ARGV[1] .. member
  local stored = call('HMGET', key, 'e', 'd', 'c')
  local deadline, created = integer(stored[2]), integer(stored[3])
  if stored[1] == epoch and deadline and created and now < deadline then
    answer[#answer + 1] = { member, created, deadline, math.max(call('PTTL', key), 0) }
  end
end
return answer
