"""What processes of version 0.1, which still run during a rolling upgrade, send to Redis."""

from typing import Any, Final

BEGIN: Final = """
if redis.call('HGET', KEYS[2], 'draining') == '1' then
  redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
  return 0
end
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
"""

HEARTBEAT: Final = """
redis.call('HINCRBY', KEYS[1], 'heartbeat', 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
for i = 2, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
redis.call('EXPIRE', KEYS[2], ARGV[1])
local answer = redis.call('SMEMBERS', KEYS[3])
table.insert(answer, 1, redis.call('HGET', KEYS[1], 'draining') or '0')
return answer
"""

PUBLISH_STATE: Final = """
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


async def pop(redis: Any, pool: str) -> tuple[str, float] | None:
    """Take the first job of the queue; return it with its score."""
    popped = await redis.bzpopmin([f"wherry:{{{pool}}}:queue"], timeout=0.05)
    return None if popped is None else (str(popped[1]), float(popped[2]))


async def begin(redis: Any, pool: str, runner: str, job: str, score: float) -> bool:
    """Begin a popped job; False if the runner must leave."""
    keys = (f"wherry:{{{pool}}}:queue", *_records(pool, runner)[:2])
    return bool(await redis.eval(BEGIN, 3, *keys, job, repr(score), "60"))


async def heartbeat(redis: Any, pool: str, runner: str, *jobs: str) -> tuple[bool, set[str]]:
    """Send a heartbeat; return whether to leave, and the jobs to stop."""
    drain, *stop = await redis.eval(HEARTBEAT, 3, *_records(pool, runner), "60", *jobs)
    return drain == "1", set(stop)


async def publish(redis: Any, snapshot: Any, ttl_seconds: int) -> bool:
    """Publish a snapshot of `JobSnapshot`."""
    accepted = await redis.eval(
        PUBLISH_STATE,
        1,
        f"wherry:state:{snapshot.namespace}/{snapshot.name}",
        snapshot.uid,
        "1" if snapshot.terminal else "0",
        str(snapshot.attempt),
        str(snapshot.step),
        snapshot.model_dump_json(by_alias=True, exclude_none=True),
        str(ttl_seconds),
        f"job:{snapshot.name}:updates",
        str(int(snapshot.created_at.timestamp())),
    )
    return bool(accepted)


def _records(pool: str, runner: str) -> tuple[str, str, str]:
    record = f"wherry:{{{pool}}}:runner:{runner}"
    return record, f"{record}:jobs", f"{record}:stops"
