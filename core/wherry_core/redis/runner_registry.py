"""Runners in Redis: heartbeats, the jobs they began, and the mark that asks them to leave."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from wherry_core.redis import keys, scripts
from wherry_core.redis.client import Redis
from wherry_core.redis.job_queue import Waiting

HEARTBEAT_SECONDS: Final = 2.0
"""Pause between two heartbeats of a runner."""
RECORD_TTL_SECONDS: Final = 60
"""Redis forgets a runner that has not been heard of for so long."""


@dataclass(frozen=True)
class Orders:
    """What a runner is told in answer to its heartbeat."""

    drain: bool
    """True: take no more jobs and leave when idle."""
    stop: frozenset[str]
    """Jobs (``namespace/name``) to stop now: cancelled, suspended or taken away."""


@dataclass(frozen=True)
class RunnerRecord:
    """What Redis knows of a runner."""

    heartbeat: int
    """A counter: as long as it grows, the runner lives."""
    draining: bool
    """True once the runner was asked to leave."""
    jobs: frozenset[str]
    """Jobs (``namespace/name``) that it has begun."""


async def begin(redis: Redis, pool: str, runner: str, waiting: Waiting) -> bool:
    """Record that ``runner`` begins a popped job; False (and the job is back) if it must leave.

    This and :func:`drain` exclude each other: a runner either takes the job or leaves.
    """
    begun = await redis.eval(
        scripts.BEGIN,
        3,
        keys.queue(pool),
        keys.runner(pool, runner),
        keys.runner_jobs(pool, runner),
        waiting.job,
        repr(waiting.score),
        str(RECORD_TTL_SECONDS),
    )
    return bool(begun)


async def finish(redis: Redis, pool: str, runner: str, job: str) -> None:
    """Record that ``runner`` no longer works on ``job``."""
    await redis.srem(keys.runner_jobs(pool, runner), job)
    await redis.srem(keys.runner_stops(pool, runner), job)


async def heartbeat(redis: Redis, pool: str, runner: str, jobs: Iterable[str]) -> Orders:
    """Say that ``runner`` lives and works on ``jobs``; return what it is asked to do."""
    answer: Sequence[str] = await redis.eval(
        scripts.HEARTBEAT,
        3,
        keys.runner(pool, runner),
        keys.runner_jobs(pool, runner),
        keys.runner_stops(pool, runner),
        str(RECORD_TTL_SECONDS),
        *jobs,
    )
    return Orders(drain=answer[0] == "1", stop=frozenset(answer[1:]))


async def runner_records(
    redis: Redis, pool: str, runners: Sequence[str]
) -> dict[str, RunnerRecord]:
    """Return what Redis knows of each of ``runners``; those that it does not know are left out."""
    records: dict[str, RunnerRecord] = {}
    for name in runners:
        heartbeat, draining = await redis.hmget(keys.runner(pool, name), ["heartbeat", "draining"])
        if heartbeat is None and draining is None:
            continue
        begun = await redis.smembers(keys.runner_jobs(pool, name))
        records[name] = RunnerRecord(
            heartbeat=int(heartbeat or 0), draining=draining == "1", jobs=frozenset(map(str, begun))
        )
    return records


async def retire(redis: Redis, pool: str, runner: str) -> None:
    """Ask ``runner`` to take no more jobs and to leave once those that it has are done."""
    key = keys.runner(pool, runner)
    await redis.hset(key, "draining", "1")
    await redis.expire(key, RECORD_TTL_SECONDS)


async def drain(redis: Redis, pool: str, runner: str) -> bool:
    """Ask ``runner`` to leave; False if it has begun a job."""
    marked = await redis.eval(
        scripts.DRAIN,
        2,
        keys.runner(pool, runner),
        keys.runner_jobs(pool, runner),
        str(RECORD_TTL_SECONDS),
    )
    return bool(marked)


async def stop(redis: Redis, pool: str, runner: str, job: str) -> None:
    """Ask ``runner`` to stop working on ``job`` (``namespace/name``)."""
    key = keys.runner_stops(pool, runner)
    await redis.sadd(key, job)
    await redis.expire(key, RECORD_TTL_SECONDS)


async def forget(redis: Redis, pool: str, runner: str) -> None:
    """Remove all records of ``runner``, which has ended.

    The next pod of this name is another runner: it must not find the old one's drain mark.
    """
    await redis.delete(
        keys.runner(pool, runner), keys.runner_jobs(pool, runner), keys.runner_stops(pool, runner)
    )
