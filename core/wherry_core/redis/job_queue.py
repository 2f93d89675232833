"""The queue of each pool, from which runners take the next job."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from wherry_core.redis.client import Redis
from wherry_core.redis.keys import EARLIER

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


@dataclass(frozen=True)
class Waiting:
    """A job taken from the queue, with the score that puts it back where it was."""

    job: str
    """``namespace/name``."""
    score: float


async def enqueue(redis: Redis, pool: str, job: str, priority: int) -> bool:
    """Add ``job`` (``namespace/name``) to the queue of ``pool``; False if it is there already.

    A higher priority leaves first; within a priority, tenants (namespaces) alternate.
    """
    tenant = job.partition("/")[0]
    added = await redis.eval(
        ENQUEUE,
        2,
        redis.keyspace.queue(pool),
        redis.keyspace.tenants(pool),
        job,
        tenant,
        str(priority),
    )
    return bool(added)


async def pop(redis: Redis, pool: str, timeout_seconds: float) -> Waiting | None:
    """Take the first job, waiting for one up to ``timeout_seconds``; None if there is none."""
    popped = await redis.bzpopmin([redis.keyspace.queue(pool)], timeout=timeout_seconds)
    if popped is None:
        return None
    return Waiting(job=str(popped[1]), score=float(popped[2]))


async def put_back(redis: Redis, pool: str, waiting: Waiting) -> None:
    """Put a popped job back where it was in the queue."""
    await redis.zadd(redis.keyspace.queue(pool), {waiting.job: waiting.score}, nx=True)


async def remove(redis: Redis, pool: str, jobs: Iterable[str]) -> int:
    """Remove ``jobs`` from the queue; return how many were in it."""
    members = list(jobs)
    return int(await redis.zrem(redis.keyspace.queue(pool), *members)) if members else 0


async def length(redis: Redis, pool: str) -> int:
    """Return the number of waiting jobs."""
    return int(await redis.zcard(redis.keyspace.queue(pool)))


async def members(redis: Redis, pool: str) -> set[str]:
    """Return all waiting jobs (``namespace/name``)."""
    return {str(job) for job in await redis.zrange(redis.keyspace.queue(pool), 0, -1)}


async def position(redis: Redis, pool: str, job: str) -> int | None:
    """Return the number of jobs before ``job``, or None when it is not in the queue."""
    rank = await redis.zrank(redis.keyspace.queue(pool), job)
    return rank if isinstance(rank, int) else None


async def share_with_earlier_version(redis: Redis, pool: str) -> None:
    """Copy all waiting jobs to the queue that runners of version 0.1 pop from.

    The operator calls it every few seconds while such runners live. A job that is taken from one
    queue stays in the other, and a runner that takes it there fails to claim it and drops it.
    """
    own, earlier = redis.keyspace.queue(pool), EARLIER.queue(pool)
    if own != earlier:
        await redis.zunionstore(earlier, [earlier, own], aggregate="MIN")
