-- Counts the live cases of a partition in one go.
-- KEYS: 1 key prefix of this incarnation.
-- ARGV: 1 number n of severities, then n severities, then the standings; the first of them is that of
--   cases which wait for an acknowledgement.
-- Returns {timers, {count of each severity:standing}, {oldest opening that waits, or "", by severity}}.
local n = tonumber(ARGV[1])
local counts, oldest = {}, {}
for i = 2, n + 1 do
  local group = KEYS[1] .. 'in:' .. ARGV[i] .. ':'
  for k = n + 2, #ARGV do counts[#counts + 1] = redis.call('ZCARD', group .. ARGV[k]) end
  oldest[#oldest + 1] = redis.call('ZRANGE', group .. ARGV[n + 2], 0, 0, 'WITHSCORES')[2] or ''
end
return {redis.call('ZCARD', KEYS[1] .. 'timers'), counts, oldest}
