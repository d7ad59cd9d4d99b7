-- Looks at some cases, the next ones of a circle, for live ones that nothing will wake, and for ones
-- that wait for an acknowledgement without a next step, whatever else will wake them.
-- KEYS: 1 key prefix of this incarnation.
-- ARGV: 1 cursor ("0" to begin with), 2 about how many, 3 a deadline before this (ms) was forgotten,
--   4 the standing of a case that may wait for an acknowledgement, 5 the number n of marks of which one
--   is in the snapshot of a case that does, then n marks, then those of which one is in it when it has
--   a next step.
-- Returns {next cursor, {case ids}}.
local entries = KEYS[1] .. 'entries'
local page = redis.call('HSCAN', entries, ARGV[1], 'COUNT', ARGV[2])
local before, open, n, found = tonumber(ARGV[3]), ':' .. ARGV[4] .. ' +', tonumber(ARGV[5]), {}

local function has(snapshot, first, last)
  for i = first, last do
    if string.find(snapshot, ARGV[i], 1, true) then return true end
  end
  return false
end

local function forgotten(case_id, entry)
  local due = redis.call('ZSCORE', KEYS[1] .. 'timers', case_id)
  if not due or tonumber(due) < before then return true end
  if not string.find(entry, open, 1, true) then return false end
  local key = string.match(case_id, '^(.*):')
  local snapshot = key and redis.call('HGET', KEYS[1] .. 'of:' .. key, case_id)
  return snapshot and has(snapshot, 6, 5 + n) and not has(snapshot, 6 + n, #ARGV)
end

for i = 1, #page[2], 2 do
  local case_id, entry = page[2][i], page[2][i + 1]
  if string.find(entry, '^%S+ %S+ %+') and forgotten(case_id, entry) then
    found[#found + 1] = case_id
  end
end
return {page[1], found}
