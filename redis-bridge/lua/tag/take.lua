-- tag_take: one step of the purge of a tag.
--
-- KEYS   index of the tag, time of its last purge; one hash tag.
-- ARGV   members to answer (at most), life of the purge's time (ms; 0: do not set it), then per member
--        whose objects were removed: member, score as this script said.
-- Answer [member score ...] of the next ones; empty when there are none.
-- Writes the time of the purge, in the first step: stores under leases from before are refused. It must
--        live as long as the longest lease. A member leaves only when its score is the one it had: if
--        it was added again meanwhile it stays.
-- Again  the same members.
local now = clock()
local keep_ms = tonumber(ARGV[2])
if keep_ms > 0 then
  local purged = math.max(integer(call('GET', KEYS[2])) or 0, now)
  call('SET', KEYS[2], text(purged), 'PX', text(keep_ms))
end
for i = 3, #ARGV, 2 do
  if call('ZSCORE', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    call('ZREM', KEYS[1], ARGV[i])
  end
end
return call('ZRANGE', KEYS[1], '0', text(tonumber(ARGV[1]) - 1), 'WITHSCORES')
