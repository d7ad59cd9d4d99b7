-- Writes changes and the new checkpoint of one partition's view, unless the checkpoint is not the
-- expected one. Everything is absolute (whole snapshots), so running it twice does no harm: what a
-- case is counted under is kept beside it. Redis 6.2 commands only.
-- KEYS: 1 checkpoint key, 2 key prefix of this incarnation.
-- ARGV: 1 expected checkpoint ("" none), 2 new checkpoint, 3 the changes as MessagePack:
--   {{record_key, case_id, snapshot, entry, due or ""}…}, {{record_key, case_id}…},
--   {{feedback_id, expire_at_ms}…}, {{record_key, erased_at_ms}…}
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

local function write(cases)
  local ids, entered, groups, armed, resting = {}, {}, {}, {}, {}
  for i, case in ipairs(cases) do ids[i] = case[2] end
  local before = known(ids)
  for i, case in ipairs(cases) do
    local case_id, entry, due = case[2], case[4], case[5]
    redis.call('HSET', prefix .. 'of:' .. case[1], case_id, case[3])
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

local function remove(cases)
  for _, case in ipairs(cases) do
    local case_id = case[2]
    redis.call('HDEL', prefix .. 'of:' .. case[1], case_id)
    redis.call('ZREM', timers, case_id)
    local entry = redis.call('HGET', entries, case_id)
    if entry then
      leave(case_id, entry)
      redis.call('HDEL', entries, case_id)
    end
  end
end

local cases, removed, outcomes, erased = unpack(cmsgpack.unpack(ARGV[3]))
write(cases)
remove(removed)
for _, outcome in ipairs(outcomes) do
  redis.call('SET', prefix .. 'seen:' .. outcome[1], '1', 'PXAT', outcome[2])
end
for _, customer in ipairs(erased) do
  redis.call('HSET', prefix .. 'erased', customer[1], customer[2])
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
