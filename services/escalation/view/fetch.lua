-- Reads, in one step with the checkpoint, which feedback has its outcome, the cases of customers, and
-- which customers were erased.
-- KEYS: 1 checkpoint key, 2 key prefix of this incarnation.
-- ARGV: 1 number n of feedback ids, then n ids, then record keys.
-- Returns {checkpoint, "1" or "0" for each id, {{snapshots of each record key}}, {key, erased_at_ms …}}.
local prefix = KEYS[2]
local n = tonumber(ARGV[1])
local decided, cases, erased = {}, {}, {}
for i = 2, n + 1 do decided[#decided + 1] = redis.call('EXISTS', prefix .. 'seen:' .. ARGV[i]) end
local marked = redis.call('EXISTS', prefix .. 'erased') == 1
for i = n + 2, #ARGV do
  cases[#cases + 1] = redis.call('HVALS', prefix .. 'of:' .. ARGV[i])
  local at = marked and redis.call('HGET', prefix .. 'erased', ARGV[i])
  if at then
    erased[#erased + 1] = ARGV[i]
    erased[#erased + 1] = at
  end
end
return {redis.call('GET', KEYS[1]) or '', table.concat(decided), cases, erased}
