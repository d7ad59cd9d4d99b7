-- Reads, in one step with the checkpoint, which feedback has its outcome and the cases of customers.
-- KEYS: 1 checkpoint key, 2 key prefix of this incarnation.
-- ARGV: 1 number n of feedback ids, then n ids, then record keys.
-- Returns {checkpoint, {1|0 for each id}, {{snapshots of each record key}}}.
local n = tonumber(ARGV[1])
local decided, cases = {}, {}
for i = 2, n + 1 do decided[#decided + 1] = redis.call('EXISTS', KEYS[2] .. 'seen:' .. ARGV[i]) end
for i = n + 2, #ARGV do cases[#cases + 1] = redis.call('HVALS', KEYS[2] .. 'of:' .. ARGV[i]) end
return {redis.call('GET', KEYS[1]) or '', decided, cases}
