-- Writes changes and the new checkpoint of one partition's view, unless the checkpoint is not the
-- expected one. Everything is absolute (whole snapshots), so running it twice does no harm.
-- KEYS: 1 checkpoint key, 2 key prefix of this incarnation. Redis 6.2 commands only.
-- ARGV: 1 expected checkpoint ("" none), 2 new checkpoint, then operations:
--   "C" record_key case_id snapshot opened_at group due     ("" group: closed, "" due: no timer)
--   "D" record_key case_id
--   "S" feedback_id expire_at_ms
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then return 0 end
local prefix = KEYS[2]
local timers, groups, cases = prefix .. 'timers', prefix .. 'groups', prefix .. 'cases'

local function regroup(case_id, group, opened_at)
  local old = redis.call('HGET', groups, case_id)
  if old and old ~= group then redis.call('ZREM', prefix .. 'in:' .. old, case_id) end
  if group == '' then
    if old then redis.call('HDEL', groups, case_id) end
  else
    redis.call('HSET', groups, case_id, group)
    redis.call('ZADD', prefix .. 'in:' .. group, opened_at, case_id)
  end
end

local at = 3
while ARGV[at] do
  local op = ARGV[at]
  if op == 'C' then
    local case_id, due = ARGV[at + 2], ARGV[at + 6]
    redis.call('HSET', prefix .. 'of:' .. ARGV[at + 1], case_id, ARGV[at + 3])
    redis.call('ZADD', cases, ARGV[at + 4], case_id)
    regroup(case_id, ARGV[at + 5], ARGV[at + 4])
    if due == '' then redis.call('ZREM', timers, case_id) else redis.call('ZADD', timers, due, case_id) end
    at = at + 7
  elseif op == 'D' then
    local case_id = ARGV[at + 2]
    redis.call('HDEL', prefix .. 'of:' .. ARGV[at + 1], case_id)
    redis.call('ZREM', cases, case_id)
    redis.call('ZREM', timers, case_id)
    regroup(case_id, '', 0)
    at = at + 3
  else
    redis.call('SET', prefix .. 'seen:' .. ARGV[at + 1], '1', 'PXAT', ARGV[at + 2])
    at = at + 3
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
