-- Writes changes and the new checkpoint of one partition's view, unless the checkpoint is not the
-- expected one. Everything is absolute (whole snapshots), so running it twice does no harm: what a
-- case is counted under is kept beside it. Redis 6.2 commands only.
-- KEYS: 1 checkpoint key, 2 key prefix of this incarnation.
-- ARGV: 1 expected checkpoint ("" none), 2 new checkpoint, 3 the changes as MessagePack:
--   {{record_key, case_id, snapshot, entry, due or ""}…}, {{record_key, case_id}…},
--   {{feedback_id, expire_at_ms}…}, {{record_key, erased_at_ms}…}
-- An entry is "opened_at group live": group is severity:standing, live is "+" and the assignee, or ""
-- for a case that has ended.
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then return 0 end
local prefix = KEYS[2]
local timers, entries, load = prefix .. 'timers', prefix .. 'entries', prefix .. 'load'

local function split(entry) return string.match(entry, '^(%S+) (%S+) %+?(.*)$') end

local function count(group, assignee, by)
  if assignee == '' then return end
  local field = string.match(group, '^[^:]+:') .. assignee
  if redis.call('HINCRBY', load, field, by) == 0 then redis.call('HDEL', load, field) end
end

local function enter(case_id, entry)
  local old = redis.call('HGET', entries, case_id)
  if old == entry then return end
  if old then
    local _, group, assignee = split(old)
    redis.call('ZREM', prefix .. 'in:' .. group, case_id)
    count(group, assignee, -1)
  end
  if entry then
    local opened_at, group, assignee = split(entry)
    redis.call('HSET', entries, case_id, entry)
    redis.call('ZADD', prefix .. 'in:' .. group, opened_at, case_id)
    count(group, assignee, 1)
  elseif old then
    redis.call('HDEL', entries, case_id)
  end
end

local cases, removed, outcomes, erased = unpack(cmsgpack.unpack(ARGV[3]))
for _, case in ipairs(cases) do
  local case_id, due = case[2], case[5]
  redis.call('HSET', prefix .. 'of:' .. case[1], case_id, case[3])
  enter(case_id, case[4])
  if due == '' then redis.call('ZREM', timers, case_id) else redis.call('ZADD', timers, due, case_id) end
end
for _, case in ipairs(removed) do
  redis.call('HDEL', prefix .. 'of:' .. case[1], case[2])
  redis.call('ZREM', timers, case[2])
  enter(case[2], nil)
end
for _, outcome in ipairs(outcomes) do
  redis.call('SET', prefix .. 'seen:' .. outcome[1], '1', 'PXAT', outcome[2])
end
for _, customer in ipairs(erased) do
  redis.call('HSET', prefix .. 'erased', customer[1], customer[2])
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
