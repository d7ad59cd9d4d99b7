-- Writes changes and the new checkpoint of one partition's view, unless the checkpoint is not the
-- expected one. Everything is absolute (whole snapshots), so running it twice does no harm: what a
-- case is counted under is kept beside it. Redis 6.2 commands only.
-- KEYS: 1 checkpoint key, 2 key prefix of this incarnation.
-- ARGV: 1 expected checkpoint ("" none), 2 new checkpoint, 3-6 the numbers of what follows:
--   cases: record_key case_id snapshot entry due     ("" no deadline)
--   removed cases: record_key case_id
--   outcomes: feedback_id expire_at_ms
--   erased customers: record_key erased_at_ms
-- An entry is "opened_at group live": group is severity:standing, live is "+" and the assignee, or ""
-- for a case that has ended. A case comes only once.
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then return 0 end
local prefix = KEYS[2]
local timers, entries, load = prefix .. 'timers', prefix .. 'entries', prefix .. 'load'

local STEP = 1000 -- even; unpack() cannot return ten thousand values

local function split(entry) return string.match(entry, '^(%S+) (%S+) %+?(.*)$') end

local function all(command, key, values)
  for i = 1, #values, STEP do
    redis.call(command, key, unpack(values, i, math.min(i + STEP - 1, #values)))
  end
end

local function known(ids)
  local found = {}
  for i = 1, #ids, STEP do
    local some = redis.call('HMGET', entries, unpack(ids, i, math.min(i + STEP - 1, #ids)))
    for n, entry in ipairs(some) do found[i + n - 1] = entry end
  end
  return found
end

local function count(group, assignee, by)
  if assignee == '' then return end
  local field = string.match(group, '^[^:]+:') .. assignee
  if redis.call('HINCRBY', load, field, by) == 0 then redis.call('HDEL', load, field) end
end

local function leave(case_id, entry)
  local _, group, assignee = split(entry)
  redis.call('ZREM', prefix .. 'in:' .. group, case_id)
  count(group, assignee, -1)
end

local function write(first, last)
  local ids, entered, groups, armed, resting = {}, {}, {}, {}, {}
  for at = first, last, 5 do ids[#ids + 1] = ARGV[at + 1] end
  local before = known(ids)
  for i, case_id in ipairs(ids) do
    local at = first + (i - 1) * 5
    local entry, due = ARGV[at + 3], ARGV[at + 4]
    redis.call('HSET', prefix .. 'of:' .. ARGV[at], case_id, ARGV[at + 2])
    if before[i] ~= entry then
      if before[i] then leave(case_id, before[i]) end
      local opened_at, group, assignee = split(entry)
      groups[group] = groups[group] or {}
      local members = groups[group]
      members[#members + 1], members[#members + 2] = opened_at, case_id
      entered[#entered + 1], entered[#entered + 2] = case_id, entry
      count(group, assignee, 1)
    end
    if due == '' then
      resting[#resting + 1] = case_id
    else
      armed[#armed + 1], armed[#armed + 2] = due, case_id
    end
  end
  all('HSET', entries, entered)
  for group, members in pairs(groups) do all('ZADD', prefix .. 'in:' .. group, members) end
  all('ZREM', timers, resting)
  all('ZADD', timers, armed)
end

local function remove(key, case_id)
  redis.call('HDEL', prefix .. 'of:' .. key, case_id)
  redis.call('ZREM', timers, case_id)
  local entry = redis.call('HGET', entries, case_id)
  if entry then
    leave(case_id, entry)
    redis.call('HDEL', entries, case_id)
  end
end

local at = 7 + 5 * ARGV[3]
write(7, at - 1)
for _ = 1, ARGV[4] do
  remove(ARGV[at], ARGV[at + 1])
  at = at + 2
end
for _ = 1, ARGV[5] do
  redis.call('SET', prefix .. 'seen:' .. ARGV[at], '1', 'PXAT', ARGV[at + 1])
  at = at + 2
end
for _ = 1, ARGV[6] do
  redis.call('HSET', prefix .. 'erased', ARGV[at], ARGV[at + 1])
  at = at + 2
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
