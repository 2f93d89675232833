"""Every change that Wherry makes in Redis, as Lua scripts: each runs atomically."""

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
if redis.call('HGET', KEYS[2], 'draining') == '1' then
  redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
  return 0
end
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
"""

HEARTBEAT: Final = """
-- Says that a runner lives, with the jobs it works on, so that a flushed Redis learns them anew.
-- KEYS: runner, runner jobs, runner stops. ARGV: ttl seconds, member...
-- Returns the drain mark, then the jobs that it is asked to stop.
redis.call('HINCRBY', KEYS[1], 'heartbeat', 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
for i = 2, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
redis.call('EXPIRE', KEYS[2], ARGV[1])
local answer = redis.call('SMEMBERS', KEYS[3])
table.insert(answer, 1, redis.call('HGET', KEYS[1], 'draining') or '0')
return answer
"""

DRAIN: Final = """
-- Asks an idle runner to leave. KEYS: runner, runner jobs. ARGV: ttl seconds.
if redis.call('SCARD', KEYS[2]) > 0 then return 0 end
redis.call('HSET', KEYS[1], 'draining', '1')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""

PUBLISH_STATE: Final = """
-- Keeps the newest snapshot of a job and tells its followers. KEYS: state.
-- ARGV: uid, terminal, attempt, step, snapshot, ttl seconds, channel, created (Unix seconds).
-- Of two jobs of one name the one that was made later counts: a runner that has not noticed yet
-- that its job is gone must not show it in the place of its namesake. Made in the same second,
-- whoever comes last counts, as where an earlier release kept no time.
local old = redis.call('HMGET', KEYS[1], 'uid', 'terminal', 'attempt', 'step', 'created')
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
redis.call('HSET', KEYS[1], 'uid', ARGV[1], 'terminal', ARGV[2], 'attempt', ARGV[3],
           'step', ARGV[4], 'created', ARGV[8], 'snapshot', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('PUBLISH', ARGV[7], ARGV[5])
return 1
"""

FORGET_STATE: Final = """
-- Removes the snapshot of one job, not of another one of its name. KEYS: state. ARGV: uid.
if redis.call('HGET', KEYS[1], 'uid') == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

DRAW_ALLOWANCE: Final = """
-- Takes requests off a tenant's allowance. KEYS: limit.
-- ARGV: quota, window in microseconds, how many are wanted.
-- Returns how many were granted, how many are left, and microseconds until the next one.
-- The generic cell rate algorithm (ATM Forum, Traffic Management 4.0, section 4.4.2): all that is
-- kept is when the allowance will be whole again. Redis' clock counts, so processes need not agree.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = tonumber(ARGV[2])
local step = window / ARGV[1]
local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
-- A clock that was set back, or a shorter window than before, refuses nobody for longer than it.
whole = math.min(whole, now + window)
-- The time is kept in whole microseconds: a hundredth of a request more than makes up for that.
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
