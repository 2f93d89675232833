"""Runners in Redis: heartbeats, the jobs they began, and the marks that ask them to leave.

A runner is its pod: a pod of the same name with another uid is another runner, with records of
its own. A process of version 0.1 does not know its uid; its records stand under the name alone.
The operator need not know which one it deals with: every function that asks a runner for something
reaches both.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from wherry_core.redis.client import Redis
from wherry_core.redis.job_queue import Waiting
from wherry_core.redis.keys import EARLIER

HEARTBEAT_SECONDS: Final = 2.0
"""Pause between two heartbeats of a runner."""
RECORD_TTL_SECONDS: Final = 60
"""Seconds without a heartbeat after which Redis drops a runner's records."""
DISMISSAL_SECONDS: Final = 86_400
"""Seconds for which a dismissed runner is refused; later the operator dismisses it again."""
OPERATOR_MARK_SECONDS: Final = 3.0
"""Seconds after which runners see that no operator acts any more."""
OPERATOR_MARK_REFRESH_SECONDS: Final = 0.5
"""Pause between two writes of the operator's mark."""
BATCH: Final = 200

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


@dataclass(frozen=True, order=True, slots=True)
class RunnerId:
    """One runner."""

    name: str
    """Name of its pod."""
    uid: str = ""
    """Uid of its pod; empty in a runner whose pod an operator of version 0.1 made."""

    @property
    def entry(self) -> str:
        """``name/uid``, as the set of a pool's runners lists it; empty without a uid."""
        return f"{self.name}/{self.uid}" if self.uid else ""


@dataclass(frozen=True)
class Orders:
    """The answer to a heartbeat: what the runner is asked to do."""

    drain: bool
    """True: take no more jobs and leave when idle."""
    stop: frozenset[str]
    """Jobs (``namespace/name``) to stop: cancelled, suspended or given to another runner."""
    dismissed: bool = False
    """True: the runner's pod is gone. It must leave, and ``stop`` holds all of its jobs."""
    operator_seconds: float = 0.0
    """Seconds for which the runner may rely on an operator; 0 when none acts."""


@dataclass(frozen=True)
class RunnerRecord:
    """What Redis knows of a runner."""

    heartbeat: int
    """Counter that grows for as long as the runner lives."""
    draining: bool
    """True once the runner was asked to leave."""
    jobs: frozenset[str]
    """Jobs (``namespace/name``) that it has begun."""
    earlier_version: bool = False
    """True for a runner of version 0.1, which pops from the queue without a release."""


async def begin(redis: Redis, pool: str, runner: RunnerId, waiting: Waiting) -> bool:
    """Record that ``runner`` begins a popped job; False (and the job is back) if it must leave.

    This and :func:`drain` exclude each other: a runner either takes the job or leaves.
    """
    keyspace = redis.keyspace
    begun = await redis.eval(
        BEGIN,
        3,
        keyspace.queue(pool),
        keyspace.runner(pool, runner.name, runner.uid),
        keyspace.runner_jobs(pool, runner.name, runner.uid),
        waiting.job,
        repr(waiting.score),
        str(RECORD_TTL_SECONDS),
    )
    return bool(begun)


async def finish(redis: Redis, pool: str, runner: RunnerId, job: str) -> None:
    """Record that ``runner`` no longer works on ``job``."""
    await redis.srem(redis.keyspace.runner_jobs(pool, runner.name, runner.uid), job)
    await redis.srem(redis.keyspace.runner_stops(pool, runner.name, runner.uid), job)


async def heartbeat(redis: Redis, pool: str, runner: RunnerId, jobs: Iterable[str]) -> Orders:
    """Record that ``runner`` lives and works on ``jobs``; return what it is asked to do."""
    working_on = list(jobs)
    answer: Sequence[str] = await redis.eval(
        HEARTBEAT,
        5,
        *_records(redis, pool, runner),
        redis.keyspace.runners(pool),
        redis.keyspace.operator_mark(pool),
        str(RECORD_TTL_SECONDS),
        runner.entry,
        *working_on,
    )
    drain, dismissed, operator_milliseconds, *stop = answer
    return Orders(
        drain=drain == "1",
        stop=frozenset(working_on if dismissed == "1" else stop),
        dismissed=dismissed == "1",
        operator_seconds=int(operator_milliseconds) / 1_000,
    )


async def delete(redis: Redis, pool: str, runner: RunnerId) -> None:
    """Remove all records of ``runner``, which ends: its own last act."""
    await redis.delete(*_records(redis, pool, runner))
    await redis.zrem(redis.keyspace.runners(pool), runner.entry)


async def runner_records(
    redis: Redis, pool: str, runners: Collection[RunnerId]
) -> dict[RunnerId, RunnerRecord]:
    """Return what Redis knows of each of ``runners``; those it does not know are left out."""
    found: dict[RunnerId, RunnerRecord] = {}
    wanted = sorted(runners)
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        found |= await _own_records(redis, pool, {runner: runner for runner in batch})
        # A mark that asks a runner of version 0.1 to leave stands under its uid, too.
        silent = (each for each in batch if each not in found or found[each].heartbeat == 0)
        earlier = await _own_records(redis, pool, {each: RunnerId(each.name) for each in silent})
        for runner, record in earlier.items():
            marked = runner in found and found[runner].draining
            found[runner] = replace(record, draining=record.draining or marked)
    return found


async def _own_records(
    redis: Redis, pool: str, stored: dict[RunnerId, RunnerId]
) -> dict[RunnerId, RunnerRecord]:
    """Return the records of the values of ``stored``, by its keys."""
    pipeline = redis.pipeline(transaction=False)
    for each in stored.values():
        pipeline.hmget(
            redis.keyspace.runner(pool, each.name, each.uid), ["heartbeat", "draining", "dismissed"]
        )
        pipeline.smembers(redis.keyspace.runner_jobs(pool, each.name, each.uid))
    answers = await pipeline.execute() if stored else []
    found = {}
    for (runner, each), fields, jobs in zip(
        stored.items(), answers[::2], answers[1::2], strict=True
    ):
        heartbeat, draining, dismissed = fields
        if heartbeat is not None or draining is not None or dismissed is not None:
            found[runner] = RunnerRecord(
                heartbeat=int(heartbeat or 0),
                draining="1" in (draining, dismissed),
                jobs=frozenset(map(str, jobs)),
                earlier_version=not each.uid,
            )
    return found


async def living(redis: Redis, pool: str) -> frozenset[RunnerId]:
    """Return the runners that sent a heartbeat within the last minute, without those of 0.1.

    One among them that has no pod is a process that outlived its pod: dismiss it.
    """
    entries = await redis.zrange(redis.keyspace.runners(pool), 0, -1)
    split = [str(entry).partition("/") for entry in entries]
    return frozenset(RunnerId(name, uid) for name, _, uid in split if uid)


async def retire(redis: Redis, pool: str, runner: RunnerId) -> None:
    """Ask ``runner`` to take no more jobs, and to leave once its current ones are done."""
    await redis.eval(
        RETIRE,
        2,
        redis.keyspace.runner(pool, runner.name, runner.uid),
        EARLIER.runner(pool, runner.name, ""),
        str(RECORD_TTL_SECONDS),
    )


async def drain(redis: Redis, pool: str, runner: RunnerId) -> bool:
    """Ask ``runner`` to leave; False if it has begun a job."""
    marked = await redis.eval(
        DRAIN,
        4,
        *_records(redis, pool, runner)[:2],
        *_records(redis, pool, RunnerId(runner.name))[:2],
        str(RECORD_TTL_SECONDS),
    )
    return bool(marked)


async def stop(redis: Redis, pool: str, runner: RunnerId, job: str) -> None:
    """Ask ``runner`` to stop working on ``job`` (``namespace/name``)."""
    pipeline = redis.pipeline(transaction=False)
    for each in {runner, RunnerId(runner.name)}:
        key = redis.keyspace.runner_stops(pool, each.name, each.uid)
        pipeline.sadd(key, job)
        pipeline.expire(key, RECORD_TTL_SECONDS)
    await pipeline.execute()


async def dismiss(redis: Redis, pool: str, runner: RunnerId) -> None:
    """Refuse everything to ``runner`` from now on, because its pod is gone.

    If its process is still there, its next begin is refused, and its next heartbeat is answered
    with the order to leave and to stop all jobs. The next pod of its name is another runner.
    """
    if not runner.uid:
        await redis.delete(*_records(redis, pool, runner))
        return
    await redis.eval(
        DISMISS,
        7,
        *_records(redis, pool, runner),
        redis.keyspace.runners(pool),
        *_records(redis, pool, RunnerId(runner.name)),
        str(DISMISSAL_SECONDS),
        runner.entry,
    )


async def refresh_operator_mark(redis: Redis, pools: Iterable[str]) -> None:
    """Let the runners of ``pools`` see, for 3 s from now, that an operator acts."""
    pipeline = redis.pipeline(transaction=False)
    for pool in pools:
        pipeline.set(redis.keyspace.operator_mark(pool), "1", px=int(OPERATOR_MARK_SECONDS * 1_000))
    await pipeline.execute()


def _records(redis: Redis, pool: str, runner: RunnerId) -> tuple[str, str, str]:
    """Return the keys of the three records of ``runner``: itself, its jobs, jobs to stop."""
    keyspace = redis.keyspace
    return (
        keyspace.runner(pool, runner.name, runner.uid),
        keyspace.runner_jobs(pool, runner.name, runner.uid),
        keyspace.runner_stops(pool, runner.name, runner.uid),
    )
