"""Runners in a real Redis: beginning a job and draining exclude each other."""

import asyncio

from wherry_core.redis import job_queue, runner_registry
from wherry_core.redis.client import Redis
from wherry_core.redis.job_queue import Waiting
from wherry_core.redis.keys import Keyspace
from wherry_core.redis.runner_registry import RunnerRecord

POOL, RUNNER = "default", "default-runner-0"


async def test_a_draining_runner_gives_the_job_back(redis: Redis) -> None:
    await job_queue.enqueue(redis, POOL, "a/1", 0)
    waiting = await job_queue.pop(redis, POOL, 0.05)
    assert waiting
    assert await runner_registry.drain(redis, POOL, RUNNER)
    assert not await runner_registry.begin(redis, POOL, RUNNER, waiting)
    assert await job_queue.pop(redis, POOL, 0.05) == waiting


async def test_a_busy_runner_is_not_drained(redis: Redis) -> None:
    assert await runner_registry.begin(redis, POOL, RUNNER, Waiting("a/1", 1.0))
    assert not await runner_registry.drain(redis, POOL, RUNNER)
    assert not (await runner_registry.heartbeat(redis, POOL, RUNNER, ["a/1"])).drain
    await runner_registry.finish(redis, POOL, RUNNER, "a/1")
    assert await runner_registry.drain(redis, POOL, RUNNER)
    assert (await runner_registry.heartbeat(redis, POOL, RUNNER, [])).drain


async def test_begin_and_drain_at_once_have_one_winner(redis: Redis) -> None:
    for number in range(100):
        runner = f"runner-{number}"
        begun, drained = await asyncio.gather(
            runner_registry.begin(redis, POOL, runner, Waiting(f"a/{number}", 1.0)),
            runner_registry.drain(redis, POOL, runner),
        )
        assert begun != drained


async def test_a_heartbeat_teaches_a_flushed_redis_what_the_runner_does(redis: Redis) -> None:
    await runner_registry.begin(redis, POOL, RUNNER, Waiting("a/1", 1.0))
    await redis.flushdb()
    assert await runner_registry.runner_records(redis, POOL, [RUNNER]) == {}
    await runner_registry.heartbeat(redis, POOL, RUNNER, ["a/1", "a/2"])
    assert not await runner_registry.drain(redis, POOL, RUNNER)
    assert await runner_registry.runner_records(redis, POOL, [RUNNER, "other"]) == {
        RUNNER: RunnerRecord(heartbeat=1, draining=False, jobs=frozenset({"a/1", "a/2"}))
    }


async def test_each_heartbeat_counts_one_up(redis: Redis) -> None:
    for wanted in (1, 2, 3):
        await runner_registry.heartbeat(redis, POOL, RUNNER, [])
        records = await runner_registry.runner_records(redis, POOL, [RUNNER])
        assert records == {RUNNER: RunnerRecord(heartbeat=wanted, draining=False, jobs=frozenset())}


async def test_a_retired_runner_ends_its_jobs_and_begins_no_other(redis: Redis) -> None:
    assert await runner_registry.begin(redis, POOL, RUNNER, Waiting("a/1", 1.0))
    await runner_registry.retire(redis, POOL, RUNNER)
    assert (await runner_registry.heartbeat(redis, POOL, RUNNER, ["a/1"])).drain
    assert not await runner_registry.begin(redis, POOL, RUNNER, Waiting("a/2", 2.0))
    assert await job_queue.pop(redis, POOL, 0.05) == Waiting("a/2", 2.0)
    records = await runner_registry.runner_records(redis, POOL, [RUNNER])
    assert records == {RUNNER: RunnerRecord(heartbeat=1, draining=True, jobs=frozenset({"a/1"}))}


async def test_a_retired_runner_that_never_beat_is_known_and_forgotten_in_time(
    redis: Redis,
) -> None:
    await runner_registry.retire(redis, POOL, RUNNER)
    records = await runner_registry.runner_records(redis, POOL, [RUNNER])
    assert records == {RUNNER: RunnerRecord(heartbeat=0, draining=True, jobs=frozenset())}
    ttl = await redis.ttl(Keyspace().runner(POOL, RUNNER, ""))
    assert 0 < ttl <= runner_registry.RECORD_TTL_SECONDS


async def test_a_stop_is_heard_until_the_job_is_finished(redis: Redis) -> None:
    await runner_registry.begin(redis, POOL, RUNNER, Waiting("a/1", 1.0))
    await runner_registry.stop(redis, POOL, RUNNER, "a/1")
    for _ in range(2):
        orders = await runner_registry.heartbeat(redis, POOL, RUNNER, ["a/1"])
        assert orders.stop == {"a/1"}
    await runner_registry.finish(redis, POOL, RUNNER, "a/1")
    assert (await runner_registry.heartbeat(redis, POOL, RUNNER, [])).stop == frozenset()


async def test_everything_about_a_runner_is_forgotten_in_time(redis: Redis) -> None:
    await runner_registry.begin(redis, POOL, RUNNER, Waiting("a/1", 1.0))
    await runner_registry.heartbeat(redis, POOL, RUNNER, ["a/1"])
    await runner_registry.stop(redis, POOL, RUNNER, "a/1")
    for key in (
        Keyspace().runner(POOL, RUNNER, ""),
        Keyspace().runner_jobs(POOL, RUNNER, ""),
        Keyspace().runner_stops(POOL, RUNNER, ""),
    ):
        assert 0 < await redis.ttl(key) <= runner_registry.RECORD_TTL_SECONDS


async def test_the_next_runner_of_a_name_finds_nothing_of_the_one_before(redis: Redis) -> None:
    await runner_registry.drain(redis, POOL, RUNNER)
    await runner_registry.stop(redis, POOL, RUNNER, "a/1")
    await runner_registry.forget(redis, POOL, RUNNER)
    orders = await runner_registry.heartbeat(redis, POOL, RUNNER, [])
    assert not orders.drain
    assert orders.stop == frozenset()
