-- tag_add: says that a URL is about to be stored under a tag.
--
-- KEYS   index of the tag, time of its last purge; one hash tag.
-- ARGV   member (hash of the URL as hex), ttl of the object (ms, > 0).
-- Answer when the tag was last purged (us), or 0.
-- Writes the index: a sorted set, scored by when the member may be forgotten (us). It runs before the
--        store, so a purge either finds the member or leaves its time for the store to see. A member
--        that is added again gets a new score, larger by 1 at least: so tag_take can tell whether it was
--        added since. Members whose object is long gone leave, so the index does not outlive them.
-- Again  another score.
local SLACK_MS = 60000 -- the index outlives its members: on a Cluster their shards have other clocks
local ttl_ms = tonumber(ARGV[2])
local now = clock()
call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now))
local score = now + (ttl_ms + SLACK_MS) * 1000
local old = call('ZSCORE', KEYS[1], ARGV[1])
if old then
  score = math.max(score, tonumber(old) + 1)
end
call('ZADD', KEYS[1], text(score), ARGV[1])
extend(KEYS[1], ttl_ms + 2 * SLACK_MS)
return integer(call('GET', KEYS[2])) or 0
