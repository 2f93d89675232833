"""Lua scripts for the changes that several keys or a comparison need: each runs atomically."""

from typing import Final

ENQUEUE: Final = """
-- Adds a job once. KEYS: queue, tenants. ARGV: member, tenant, priority.
-- Start-time fair queueing (Goyal, Vin, Cheng 1996): a job starts, in virtual time, where its
-- tenant's last one finished, but not before the job that is now first in the queue.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local band = (100 - tonumber(ARGV[3])) * 1e12
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first == 0 then redis.call('DEL', KEYS[2]) end
local inband = redis.call('ZRANGEBYSCORE', KEYS[1], band, '(' .. string.format('%.0f', band + 1e12),
                          'WITHSCORES', 'LIMIT', 0, 1)
local now = 0
if #inband > 0 then now = tonumber(inband[2]) - band end
local field = ARGV[3] .. '/' .. ARGV[2]
local finish = tonumber(redis.call('HGET', KEYS[2], field) or '0')
local start = math.max(now, finish)
redis.call('HSET', KEYS[2], field, string.format('%.0f', start + 1))
redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', band + start), ARGV[1])
return 1
"""

BEGIN: Final = """
-- A runner that popped a job begins it, unless it was asked to leave: then the job goes back.
-- KEYS: queue, runner, runner jobs. ARGV: member, score, ttl seconds.
local asked = redis.call('HMGET', KEYS[2], 'draining', 'dismissed')
if asked[1] == '1' or asked[2] == '1' then
  redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
  return 0
end
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
"""

HEARTBEAT: Final = """
-- Records that a runner lives, and the jobs it works on: a Redis that lost its data learns them.
-- KEYS: runner, runner jobs, runner stops, runners, operator mark.
-- ARGV: ttl seconds, the runner's entry among the runners ('' for none), member...
-- Returns the drain mark, the mark of a dismissal, the milliseconds for which the operator's mark
-- lives, then the jobs to stop. A dismissed runner leaves no record.
local operator = tostring(math.max(redis.call('PTTL', KEYS[5]), 0))
if redis.call('HGET', KEYS[1], 'dismissed') == '1' then return {'1', '1', operator} end
redis.call('HINCRBY', KEYS[1], 'heartbeat', 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
for i = 3, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
redis.call('EXPIRE', KEYS[2], ARGV[1])
if ARGV[2] ~= '' then
  local now = tonumber(redis.call('TIME')[1])
  redis.call('ZADD', KEYS[4], now, ARGV[2])
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - ARGV[1])
  redis.call('EXPIRE', KEYS[4], ARGV[1])
end
local answer = {redis.call('HGET', KEYS[1], 'draining') or '0', '0', operator}
for _, job in ipairs(redis.call('SMEMBERS', KEYS[3])) do table.insert(answer, job) end
return answer
"""

RETIRE: Final = """
-- Asks a runner to take no more jobs. KEYS: runner, the same runner if it is of version 0.1.
-- ARGV: ttl seconds.
for i, key in ipairs(KEYS) do
  if i == 1 or redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'draining', '1')
    if redis.call('TTL', key) < tonumber(ARGV[1]) then redis.call('EXPIRE', key, ARGV[1]) end
  end
end
"""

DRAIN: Final = """
-- Asks an idle runner to leave. KEYS: runner, runner jobs, and both again for version 0.1.
-- ARGV: ttl seconds.
if redis.call('SCARD', KEYS[2]) > 0 or redis.call('SCARD', KEYS[4]) > 0 then return 0 end
for i = 1, 3, 2 do
  if i == 1 or redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('HSET', KEYS[i], 'draining', '1')
    if redis.call('TTL', KEYS[i]) < tonumber(ARGV[1]) then
      redis.call('EXPIRE', KEYS[i], ARGV[1])
    end
  end
end
return 1
"""

DISMISS: Final = """
-- Refuses everything to a runner from now on: its pod is gone, but its process may not be.
-- KEYS: runner, runner jobs, runner stops, runners, then the first three again for version 0.1.
-- ARGV: seconds for which the mark is kept, the runner's entry among the runners.
redis.call('DEL', KEYS[2], KEYS[3], KEYS[5], KEYS[6], KEYS[7])
redis.call('HSET', KEYS[1], 'dismissed', '1')
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[2])
"""

PUBLISH_STATE: Final = """
-- Keeps the newest snapshot of a job and sends it to its subscribers. KEYS: state.
-- ARGV: uid, terminal, attempt, step, snapshot, ttl seconds, channel, created (Unix seconds).
-- A job whose deletion is recorded is refused. Of two jobs of one name, the one created later
-- counts: a runner may not know yet that its job is gone. When both were created in the same
-- second, the last one published counts.
local old = redis.call('HMGET', KEYS[1], 'uid', 'terminal', 'attempt', 'step', 'created', 'deleted')
if old[6] == ARGV[1] then return 0 end
if old[1] == ARGV[1] then
  if old[2] == '1' then return 0 end
  local attempt, step = tonumber(old[3]), tonumber(old[4])
  if ARGV[2] ~= '1' then
    if tonumber(ARGV[3]) < attempt then return 0 end
    if tonumber(ARGV[3]) == attempt and tonumber(ARGV[4]) <= step then return 0 end
  end
elseif tonumber(ARGV[8]) < (tonumber(old[5]) or 0) then
  return 0
end
local ttl = tonumber(ARGV[6])
if old[6] then ttl = math.max(ttl, redis.call('TTL', KEYS[1])) end
redis.call('HSET', KEYS[1], 'uid', ARGV[1], 'terminal', ARGV[2], 'attempt', ARGV[3],
           'step', ARGV[4], 'created', ARGV[8], 'snapshot', ARGV[5])
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('PUBLISH', ARGV[7], ARGV[5])
return 1
"""

DELETE_STATE: Final = """
-- Replaces the snapshot of a job by a record of its deletion. KEYS: state.
-- ARGV: uid, seconds for which the record is kept, channel, snapshot that ends the job for its
-- subscribers ('' for none), created (Unix seconds, 0 when not known).
-- The snapshot of another job of this name stays, unless that was created earlier and is therefore
-- gone as well. Version 0.1 takes the record for a terminal snapshot of the job, so that it
-- refuses a late one, too.
local old = redis.call('HMGET', KEYS[1], 'uid', 'terminal', 'created', 'deleted')
if old[4] == ARGV[1] then return 0 end
local created, old_created = tonumber(ARGV[5]), tonumber(old[3]) or 0
-- The deletion of a job created later is recorded: it refuses late snapshots of both.
if old[1] and old[1] == old[4] and created > 0 and created < old_created then return 0 end
if old[1] and old[1] ~= ARGV[1] and old[1] ~= old[4] and created <= old_created then
  redis.call('HSET', KEYS[1], 'deleted', ARGV[1])
  if redis.call('TTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
  return 0
end
if ARGV[4] ~= '' and not (old[1] == ARGV[1] and old[2] == '1') then
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'uid', ARGV[1], 'deleted', ARGV[1], 'terminal', '1',
           'attempt', '0', 'step', '0',
           'created', string.format('%.0f', math.max(created, old_created)))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""

DRAW_ALLOWANCE: Final = """
-- Draws requests from a tenant's allowance. KEYS: limit.
-- ARGV: quota, window in microseconds, number wanted.
-- Returns the number granted, the number left, and the microseconds until the next one.
-- The generic cell rate algorithm (ATM Forum, Traffic Management 4.0, section 4.4.2) stores only
-- the time at which the allowance is full. It is Redis' time, so that clocks need not agree.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = tonumber(ARGV[2])
local step = window / ARGV[1]
local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
-- If the clock was set back or the window was shortened, nothing is refused for longer than it.
whole = math.min(whole, now + window)
-- The time is stored in whole microseconds; a hundredth of a request covers the rounding.
local left = math.floor((window - (whole - now)) / step + 0.01)
local granted = math.min(tonumber(ARGV[3]), left)
if granted > 0 then
  whole = whole + granted * step
  redis.call('SET', KEYS[1], string.format('%.0f', whole),
             'PX', math.max(math.ceil((whole - now) / 1000), 1))
end
left = left - granted
if left > 0 then return {granted, left, 0} end
return {granted, 0, math.ceil(math.max(step - (window - (whole - now)), 1))}
"""
