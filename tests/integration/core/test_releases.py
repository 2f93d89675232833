"""Two releases in one database do not see each other; an upgrade from version 0.1 loses nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.integration.core import version_0_1
from tests.integration.core.test_job_states import DONE, snapshot
from wherry_core.redis import job_queue, job_states, keys, loss_marker, runner_registry
from wherry_core.redis.client import Redis
from wherry_core.redis.job_queue import Waiting
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.redis.tenant_limits import draw

POOL, NAME = "default", "default-runner-0"
RUNNER = RunnerId(NAME, "uid-1")


async def test_two_releases_do_not_see_each_other(named: Redis, other: Redis) -> None:
    await job_queue.enqueue(named, POOL, "a/1", 0)
    await runner_registry.heartbeat(named, POOL, RUNNER, ["a/1"])
    await runner_registry.refresh_operator_mark(named, [POOL])
    await job_states.publish(named, snapshot(), 60)
    await job_states.mark_ended(named, DONE)
    await loss_marker.change(named, "1")
    await draw(named, "a", quota=1, seconds=60, wanted=1)
    assert await job_queue.pop(other, POOL, 0.05) is None
    assert await runner_registry.living(other, POOL) == frozenset()
    assert await runner_registry.runner_records(other, POOL, [RUNNER]) == {}
    orders = await runner_registry.heartbeat(other, POOL, RunnerId("other", "u"), [])
    assert orders.operator_seconds == 0
    assert await job_states.read(other, "team-a", "job-1") is None
    assert [each async for each in job_states.scan(other)] == []
    assert await job_states.ended_at(other, "team-a", "job-1") is None
    assert await loss_marker.change(other, "1") == {None}
    assert (await draw(other, "a", quota=1, seconds=60, wanted=1)).granted == 1
    # What one does, the other keeps.
    await runner_registry.dismiss(other, POOL, RUNNER)
    assert not (await runner_registry.heartbeat(named, POOL, RUNNER, [])).dismissed
    await job_states.delete(other, "team-a", "job-1", "u1")
    assert await job_states.publish(named, snapshot(1, 5), 60)


async def test_every_key_but_the_journals_of_parts_carries_the_release(named: Redis) -> None:
    await job_queue.enqueue(named, POOL, "a/1", 0)
    await runner_registry.begin(named, POOL, RUNNER, Waiting("a/1", 1.0))
    await runner_registry.heartbeat(named, POOL, RUNNER, ["a/1"])
    await runner_registry.refresh_operator_mark(named, [POOL])
    await job_states.publish(named, snapshot(), 60)
    await job_states.mark_ended(named, DONE)
    await loss_marker.change(named, "1")
    await draw(named, "a", quota=5, seconds=60, wanted=1)
    found = [str(key) async for key in named.scan_iter()]
    assert len(found) == 10
    assert [key for key in found if not key.startswith("wherry:wherry/main:")] == []


async def test_messages_on_a_job_s_channel_name_the_release(named: Redis, other: Redis) -> None:
    async with other.pubsub() as pubsub:
        await pubsub.subscribe(keys.job_updates("job-1"))
        await job_states.publish(named, snapshot(1, 1), 60)
        await version_0_1.publish(named, snapshot(1, 2), 60)
        await job_states.publish(other, snapshot(1, 3), 60)
        texts: list[str] = []
        async with asyncio.timeout(10):
            async for message in pubsub.listen():
                if message["type"] == "message":
                    texts.append(message["data"])
                if len(texts) == 3:
                    break
    received = [job_states.received(other, text) for text in texts]
    assert [each and (each.step, each.release) for each in received] == [
        None,
        (2, None),
        (3, "wherry/other"),
    ]
    assert job_states.received(other, "{") is None


async def test_a_runner_of_the_earlier_version_is_seen_and_obeys(named: Redis) -> None:
    await version_0_1.heartbeat(named, POOL, NAME, "a/1")
    assert await version_0_1.begin(named, POOL, NAME, "a/1", 1.0)
    records = await runner_registry.runner_records(named, POOL, [RUNNER])
    assert records[RUNNER].earlier_version
    assert records[RUNNER].heartbeat == 1
    assert records[RUNNER].jobs == {"a/1"}
    assert not await runner_registry.drain(named, POOL, RUNNER)
    await runner_registry.stop(named, POOL, RUNNER, "a/1")
    assert await version_0_1.heartbeat(named, POOL, NAME, "a/1") == (False, {"a/1"})
    await runner_registry.retire(named, POOL, RUNNER)
    assert (await version_0_1.heartbeat(named, POOL, NAME, "a/1"))[0]
    assert not await version_0_1.begin(named, POOL, NAME, "a/2", 1.0)
    # The mark must not hide its heartbeats.
    record = (await runner_registry.runner_records(named, POOL, [RUNNER]))[RUNNER]
    assert (record.heartbeat, record.draining) == (3, True)
    assert record.jobs == {"a/1"}


async def test_an_idle_runner_of_the_earlier_version_is_drained(named: Redis) -> None:
    await version_0_1.heartbeat(named, POOL, NAME)
    assert await runner_registry.drain(named, POOL, RUNNER)
    assert (await version_0_1.heartbeat(named, POOL, NAME))[0]
    await runner_registry.dismiss(named, POOL, RUNNER)
    assert not (await version_0_1.heartbeat(named, POOL, NAME))[0]


async def test_a_runner_of_the_earlier_version_finds_the_jobs(named: Redis) -> None:
    for number, priority in enumerate((0, 5, 0)):
        await job_queue.enqueue(named, POOL, f"a/{number}", priority)
    assert await version_0_1.pop(named, POOL) is None
    await job_queue.share_with_earlier_version(named, POOL)
    first = await version_0_1.pop(named, POOL)
    assert first is not None
    assert first[0] == "a/1"
    # It is still in the operator's queue: the claim decides who has it.
    assert await job_queue.members(named, POOL) == {"a/0", "a/1", "a/2"}
    await job_queue.remove(named, POOL, ["a/1"])
    await job_queue.share_with_earlier_version(named, POOL)
    order = [popped[0] for _ in range(2) if (popped := await version_0_1.pop(named, POOL))]
    assert order == ["a/0", "a/2"]
    assert await version_0_1.pop(named, POOL) is None


async def test_sharing_the_queue_changes_nothing_without_a_release(redis: Redis) -> None:
    await job_queue.enqueue(redis, POOL, "a/1", 0)
    await job_queue.share_with_earlier_version(redis, POOL)
    await job_queue.share_with_earlier_version(redis, POOL)
    popped = [await job_queue.pop(redis, POOL, 0.05) for _ in range(2)]
    assert [each and each.job for each in popped] == ["a/1", None]


async def test_a_waiting_pop_of_the_earlier_version_wakes_when_the_queue_is_shared(
    named: Redis,
) -> None:
    await job_queue.enqueue(named, POOL, "a/1", 0)

    async def pop() -> object:
        return await named.bzpopmin(["wherry:{default}:queue"], timeout=5)

    waiting = asyncio.create_task(pop())
    await asyncio.sleep(0.2)
    began = asyncio.get_running_loop().time()
    await job_queue.share_with_earlier_version(named, POOL)
    assert await waiting is not None
    assert asyncio.get_running_loop().time() - began < 2


async def test_a_job_that_ended_before_the_upgrade_is_known_to_have_ended(named: Redis) -> None:
    await named.set("wherry:ended:team-a/job-1", "2026-01-01T00:00:00Z", ex=60)
    assert await job_states.ended_at(named, "team-a", "job-1") == "2026-01-01T00:00:00Z"
    await job_states.mark_ended(
        named, snapshot(1, 2, status="failed", updated_at=datetime(2026, 2, 1, tzinfo=UTC))
    )
    assert await job_states.ended_at(named, "team-a", "job-1") == "2026-02-01T00:00:00Z"


async def test_the_end_of_a_job_is_remembered_longer_than_any_job_lives(redis: Redis) -> None:
    key = redis.keyspace.ended_job("team-a", "job-1")
    await job_states.mark_ended(redis, DONE)
    assert await redis.ttl(key) > timedelta(days=36).total_seconds()
    await job_states.mark_ended(redis, DONE, int(timedelta(days=365).total_seconds()))
    assert await redis.ttl(key) > timedelta(days=371).total_seconds()
