-- tag_scan: one step through the members of a tag, which stay.
--
-- KEYS   index of the tag, time of its last purge; one hash tag.
-- ARGV   cursor, members to look at (about), life of the purge's time (ms; 0: do not set it).
-- Answer [cursor [member ...]]; cursor 0: that was all. Whoever is a member all the time is answered, maybe
--        more than once.
-- Writes the time of the purge: stores under leases from before are refused.
-- Again  the same.
local keep_ms = tonumber(ARGV[3])
if keep_ms > 0 then
  local purged = math.max(integer(call('GET', KEYS[2])) or 0, clock())
  call('SET', KEYS[2], text(purged), 'PX', text(keep_ms))
end
local found = call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local members = {}
for i = 1, #found[2], 2 do
  members[#members + 1] = found[2][i]
end
return { found[1], members }
