-- Looks at some cases, the next ones of a circle, for live ones that nothing will wake.
-- KEYS: 1 key prefix of this incarnation.
-- ARGV: 1 cursor ("0" to begin with), 2 about how many, 3 a deadline before this (ms) was forgotten.
-- Returns {next cursor, {case ids}}.
local page = redis.call('HSCAN', KEYS[1] .. 'entries', ARGV[1], 'COUNT', ARGV[2])
local before, found = tonumber(ARGV[3]), {}
for i = 1, #page[2], 2 do
  if string.find(page[2][i + 1], '^%S+ %S+ %+') then
    local due = redis.call('ZSCORE', KEYS[1] .. 'timers', page[2][i])
    if not due or tonumber(due) < before then found[#found + 1] = page[2][i] end
  end
end
return {page[1], found}
