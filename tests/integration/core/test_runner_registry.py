"""Runners in a real Redis: beginning a job and draining exclude each other, a uid is a runner."""

import asyncio

import pytest

from wherry_core.redis import job_queue, runner_registry
from wherry_core.redis.client import Redis
from wherry_core.redis.job_queue import Waiting
from wherry_core.redis.runner_registry import RunnerId, RunnerRecord

POOL, NAME = "default", "default-runner-0"
FIRST, SECOND = RunnerId(NAME, "uid-1"), RunnerId(NAME, "uid-2")
"""Two pods of one name, one after the other."""


@pytest.fixture(params=["uid-1", ""], ids=["with uid", "without uid"])
def runner(request: pytest.FixtureRequest) -> RunnerId:
    """A runner, and one whose pod an operator of version 0.1 made."""
    return RunnerId(NAME, request.param)


async def test_a_draining_runner_gives_the_job_back(redis: Redis, runner: RunnerId) -> None:
    await job_queue.enqueue(redis, POOL, "a/1", 0)
    waiting = await job_queue.pop(redis, POOL, 0.05)
    assert waiting
    assert await runner_registry.drain(redis, POOL, runner)
    assert not await runner_registry.begin(redis, POOL, runner, waiting)
    assert await job_queue.pop(redis, POOL, 0.05) == waiting


async def test_a_busy_runner_is_not_drained(redis: Redis, runner: RunnerId) -> None:
    assert await runner_registry.begin(redis, POOL, runner, Waiting("a/1", 1.0))
    assert not await runner_registry.drain(redis, POOL, runner)
    assert not (await runner_registry.heartbeat(redis, POOL, runner, ["a/1"])).drain
    await runner_registry.finish(redis, POOL, runner, "a/1")
    assert await runner_registry.drain(redis, POOL, runner)
    assert (await runner_registry.heartbeat(redis, POOL, runner, [])).drain


async def test_begin_and_drain_at_once_have_one_winner(redis: Redis) -> None:
    for number in range(100):
        each = RunnerId(f"runner-{number}", "u")
        begun, drained = await asyncio.gather(
            runner_registry.begin(redis, POOL, each, Waiting(f"a/{number}", 1.0)),
            runner_registry.drain(redis, POOL, each),
        )
        assert begun != drained


async def test_a_heartbeat_restores_the_records_in_a_flushed_redis(
    redis: Redis, runner: RunnerId
) -> None:
    await runner_registry.begin(redis, POOL, runner, Waiting("a/1", 1.0))
    await redis.flushdb()
    assert await runner_registry.runner_records(redis, POOL, [runner]) == {}
    await runner_registry.heartbeat(redis, POOL, runner, ["a/1", "a/2"])
    assert not await runner_registry.drain(redis, POOL, runner)
    other = RunnerId("other", "u")
    records = await runner_registry.runner_records(redis, POOL, [runner, other])
    assert records == {
        runner: RunnerRecord(
            heartbeat=1,
            draining=False,
            jobs=frozenset({"a/1", "a/2"}),
            earlier_version=not runner.uid,
        )
    }


async def test_each_heartbeat_increments_the_counter(redis: Redis, runner: RunnerId) -> None:
    for wanted in (1, 2, 3):
        await runner_registry.heartbeat(redis, POOL, runner, [])
        records = await runner_registry.runner_records(redis, POOL, [runner])
        assert records[runner].heartbeat == wanted


async def test_the_records_of_many_runners(redis: Redis) -> None:
    many = [RunnerId(f"runner-{number}", "u") for number in range(450)]
    for each in many[::3]:
        await runner_registry.heartbeat(redis, POOL, each, [f"a/{each.name}"])
    records = await runner_registry.runner_records(redis, POOL, many)
    assert records.keys() == set(many[::3])
    assert all(record.jobs == {f"a/{each.name}"} for each, record in records.items())
    assert await runner_registry.runner_records(redis, POOL, []) == {}


async def test_a_retired_runner_completes_its_jobs_and_begins_no_other(
    redis: Redis, runner: RunnerId
) -> None:
    assert await runner_registry.begin(redis, POOL, runner, Waiting("a/1", 1.0))
    await runner_registry.retire(redis, POOL, runner)
    assert (await runner_registry.heartbeat(redis, POOL, runner, ["a/1"])).drain
    assert not await runner_registry.begin(redis, POOL, runner, Waiting("a/2", 2.0))
    assert await job_queue.pop(redis, POOL, 0.05) == Waiting("a/2", 2.0)
    record = (await runner_registry.runner_records(redis, POOL, [runner]))[runner]
    assert (record.heartbeat, record.draining) == (1, True)
    assert record.jobs == {"a/1"}


async def test_a_retired_runner_without_a_heartbeat_is_known_and_expires(
    redis: Redis, runner: RunnerId
) -> None:
    await runner_registry.retire(redis, POOL, runner)
    record = (await runner_registry.runner_records(redis, POOL, [runner]))[runner]
    assert (record.heartbeat, record.draining, record.jobs) == (0, True, frozenset())
    ttl = await redis.ttl(redis.keyspace.runner(POOL, runner.name, runner.uid))
    assert 0 < ttl <= runner_registry.RECORD_TTL_SECONDS


async def test_a_stop_is_repeated_until_the_job_is_finished(redis: Redis, runner: RunnerId) -> None:
    await runner_registry.begin(redis, POOL, runner, Waiting("a/1", 1.0))
    await runner_registry.stop(redis, POOL, runner, "a/1")
    for _ in range(2):
        orders = await runner_registry.heartbeat(redis, POOL, runner, ["a/1"])
        assert orders.stop == {"a/1"}
    await runner_registry.finish(redis, POOL, runner, "a/1")
    assert (await runner_registry.heartbeat(redis, POOL, runner, [])).stop == frozenset()


async def test_all_records_of_a_runner_expire(redis: Redis, runner: RunnerId) -> None:
    await runner_registry.begin(redis, POOL, runner, Waiting("a/1", 1.0))
    await runner_registry.heartbeat(redis, POOL, runner, ["a/1"])
    await runner_registry.stop(redis, POOL, runner, "a/1")
    found = [str(key) async for key in redis.scan_iter()]
    assert len(found) >= 3
    for key in found:
        assert 0 < await redis.ttl(key) <= runner_registry.RECORD_TTL_SECONDS


async def test_a_runner_that_ends_leaves_nothing(redis: Redis, runner: RunnerId) -> None:
    await runner_registry.heartbeat(redis, POOL, runner, ["a/1"])
    await runner_registry.retire(redis, POOL, runner)
    await runner_registry.delete(redis, POOL, runner)
    assert [key async for key in redis.scan_iter()] == []


async def test_the_next_pod_of_a_name_is_another_runner(redis: Redis) -> None:
    await runner_registry.heartbeat(redis, POOL, FIRST, [])
    await runner_registry.drain(redis, POOL, FIRST)
    await runner_registry.stop(redis, POOL, FIRST, "a/1")
    orders = await runner_registry.heartbeat(redis, POOL, SECOND, [])
    assert not orders.drain
    assert orders.stop == frozenset()
    assert await runner_registry.begin(redis, POOL, SECOND, Waiting("a/2", 1.0))
    records = await runner_registry.runner_records(redis, POOL, [FIRST, SECOND])
    assert records[FIRST].jobs == frozenset()
    assert records[SECOND].jobs == {"a/2"}
    await runner_registry.delete(redis, POOL, FIRST)
    assert (await runner_registry.runner_records(redis, POOL, [FIRST, SECOND])).keys() == {SECOND}


async def test_a_dismissed_runner_begins_nothing_and_is_asked_to_stop_everything(
    redis: Redis,
) -> None:
    await runner_registry.begin(redis, POOL, FIRST, Waiting("a/1", 1.0))
    await runner_registry.heartbeat(redis, POOL, FIRST, ["a/1"])
    await runner_registry.dismiss(redis, POOL, FIRST)
    assert not await runner_registry.begin(redis, POOL, FIRST, Waiting("a/2", 2.0))
    assert await job_queue.pop(redis, POOL, 0.05) == Waiting("a/2", 2.0)
    for _ in range(2):
        orders = await runner_registry.heartbeat(redis, POOL, FIRST, ["a/1"])
        assert orders.dismissed
        assert orders.drain
        assert orders.stop == {"a/1"}
    assert await runner_registry.living(redis, POOL) == frozenset()
    record = (await runner_registry.runner_records(redis, POOL, [FIRST]))[FIRST]
    assert (record.draining, record.jobs) == (True, frozenset())


async def test_a_dismissal_outlives_a_process_that_is_frozen_for_hours(redis: Redis) -> None:
    await runner_registry.heartbeat(redis, POOL, FIRST, [])
    await runner_registry.dismiss(redis, POOL, FIRST)
    await runner_registry.heartbeat(redis, POOL, FIRST, [])
    ttl = await redis.ttl(redis.keyspace.runner(POOL, FIRST.name, FIRST.uid))
    assert ttl > 3_600


async def test_a_dismissal_does_not_touch_the_next_pod_of_the_name(redis: Redis) -> None:
    await runner_registry.heartbeat(redis, POOL, SECOND, ["a/1"])
    await runner_registry.dismiss(redis, POOL, FIRST)
    orders = await runner_registry.heartbeat(redis, POOL, SECOND, ["a/1"])
    assert not orders.drain
    assert not orders.dismissed
    assert await runner_registry.begin(redis, POOL, SECOND, Waiting("a/2", 2.0))
    assert await runner_registry.living(redis, POOL) == {SECOND}


async def test_begin_and_dismissal_at_once_leave_no_job_with_a_dismissed_runner(
    redis: Redis,
) -> None:
    for number in range(50):
        each = RunnerId(f"runner-{number}", "u")
        await asyncio.gather(
            runner_registry.begin(redis, POOL, each, Waiting(f"a/{number}", 1.0)),
            runner_registry.dismiss(redis, POOL, each),
        )
        record = (await runner_registry.runner_records(redis, POOL, [each]))[each]
        assert record.jobs == frozenset()
        assert (await runner_registry.heartbeat(redis, POOL, each, [f"a/{number}"])).dismissed


async def test_living_runners_are_those_with_a_recent_heartbeat(redis: Redis) -> None:
    await runner_registry.heartbeat(redis, POOL, FIRST, [])
    await runner_registry.heartbeat(redis, POOL, SECOND, [])
    await runner_registry.heartbeat(redis, "other", RunnerId("other-runner-0", "u"), [])
    assert await runner_registry.living(redis, POOL) == {FIRST, SECOND}
    # As if its last heartbeat were a minute and a second old.
    entries = redis.keyspace.runners(POOL)
    await redis.zincrby(entries, -61, FIRST.entry)
    await runner_registry.heartbeat(redis, POOL, SECOND, [])
    assert await runner_registry.living(redis, POOL) == {SECOND}
    assert 0 < await redis.ttl(entries) <= runner_registry.RECORD_TTL_SECONDS


async def test_a_heartbeat_says_for_how_long_an_operator_acts(redis: Redis) -> None:
    async def seconds() -> float:
        return (await runner_registry.heartbeat(redis, POOL, FIRST, [])).operator_seconds

    assert await seconds() == 0
    await runner_registry.refresh_operator_mark(redis, [POOL, "other"])
    assert 2 < await seconds() <= 3
    await asyncio.sleep(1.1)
    assert 0 < await seconds() < 2
    await asyncio.sleep(2.0)
    assert await seconds() == 0
    await runner_registry.refresh_operator_mark(redis, [])
    await runner_registry.dismiss(redis, POOL, FIRST)
    await runner_registry.refresh_operator_mark(redis, [POOL])
    assert await seconds() > 2
