"""Snapshots in a real Redis: newest wins, terminal is final, a deleted job stays deleted."""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.core import version_0_1
from wherry_core.job_snapshot import JobSnapshot, JobStatus, deleted
from wherry_core.redis import job_states, keys
from wherry_core.redis.client import Redis

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)


def snapshot(attempt: int = 1, step: int = 0, **changes: Any) -> JobSnapshot:
    values: dict[str, Any] = {
        "namespace": "team-a",
        "name": "job-1",
        "uid": "u1",
        "status": JobStatus.PROCESSING,
        "attempt": attempt,
        "step": step,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return JobSnapshot(**values | changes)


DONE = snapshot(1, 3, status=JobStatus.COMPLETED, progress=100)


async def messages_until(pubsub: Any, last: JobSnapshot) -> list[JobSnapshot]:
    """Return what a subscriber gets until ``last`` comes; TimeoutError when it never does."""
    seen: list[JobSnapshot] = []
    async with asyncio.timeout(10):
        async for message in pubsub.listen():
            if message["type"] == "message":
                seen.append(JobSnapshot.model_validate_json(message["data"]))
                if seen[-1] == last:
                    break
    return seen


async def test_a_published_snapshot_is_read(redis: Redis) -> None:
    assert await job_states.read(redis, "team-a", "job-1") is None
    assert await job_states.publish(redis, snapshot(1, 2, progress=40), 60)
    assert await job_states.read(redis, "team-a", "job-1") == snapshot(1, 2, progress=40)
    assert 0 < await redis.ttl(redis.keyspace.job_state("team-a", "job-1")) <= 60


async def test_many_are_read_in_their_order_with_gaps_for_unknown_ones(redis: Redis) -> None:
    second = snapshot(2, 1, name="job-2", progress=10)
    assert await job_states.publish(redis, snapshot(1, 2), 60)
    assert await job_states.publish(redis, second, 60)
    wanted = [("team-a", "job-2"), ("team-a", "none"), ("team-b", "job-1"), ("team-a", "job-1")]
    assert await job_states.read_many(redis, wanted) == [second, None, None, snapshot(1, 2)]
    assert await job_states.read_many(redis, []) == []


@pytest.mark.parametrize(
    ("first", "second", "accepted"),
    [
        (snapshot(1, 1), snapshot(1, 2), True),
        (snapshot(1, 2), snapshot(1, 2), False),
        (snapshot(1, 2), snapshot(1, 1), False),
        (snapshot(1, 9), snapshot(2, 0), True),
        (snapshot(2, 0), snapshot(1, 9), False),
        (snapshot(2, 5), DONE, True),
        (DONE, snapshot(2, 0), False),
        (DONE, snapshot(1, 3, status=JobStatus.FAILED), False),
        (DONE, snapshot(1, 0, uid="u2"), True),
        (DONE, snapshot(1, 0, uid="u2", created_at=LATER), True),
        (snapshot(1, 1, created_at=LATER), snapshot(3, 9, uid="u2"), False),
        (snapshot(1, 1, created_at=LATER), snapshot(1, 9, uid="u2", status="failed"), False),
        (snapshot(1, 1, created_at=LATER), snapshot(1, 2, created_at=LATER), True),
    ],
)
async def test_only_a_newer_snapshot_is_accepted(
    redis: Redis, first: JobSnapshot, second: JobSnapshot, accepted: bool
) -> None:
    await job_states.publish(redis, first, 60)
    assert await job_states.publish(redis, second, 60) is accepted
    assert await job_states.read(redis, "team-a", "job-1") == (second if accepted else first)


async def test_subscribers_get_snapshots_in_order_and_always_the_last_one(redis: Redis) -> None:
    order = [snapshot(attempt, step) for attempt in (1, 2, 3) for step in range(10)]
    shuffled = random.Random(7).sample(order, len(order))
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(keys.job_updates("job-1"))
        await asyncio.gather(*[job_states.publish(redis, each, 60) for each in shuffled])
        await job_states.publish(redis, DONE, 60)
        seen = await messages_until(pubsub, DONE)
    assert all(newer.newer_than(older) for older, newer in itertools.pairwise(seen))
    assert seen[-1] == DONE


async def test_jobs_of_one_name_in_two_namespaces_do_not_mix(redis: Redis) -> None:
    other = snapshot(5, 5, namespace="team-b", uid="u2")
    await job_states.publish(redis, snapshot(), 60)
    await job_states.publish(redis, other, 60)
    assert await job_states.read(redis, "team-a", "job-1") == snapshot()
    assert await job_states.read(redis, "team-b", "job-1") == other


async def test_subscribers_get_nothing_of_a_job_that_has_a_newer_namesake(redis: Redis) -> None:
    new = snapshot(1, 0, uid="u2", created_at=LATER)
    late = [snapshot(1, step) for step in range(20)]
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(keys.job_updates("job-1"))
        await job_states.publish(redis, new, 60)
        assert not any(await asyncio.gather(*(job_states.publish(redis, x, 60) for x in late)))
        last = snapshot(1, 1, uid="u2", created_at=LATER)
        await job_states.publish(redis, last, 60)
        seen = await messages_until(pubsub, last)
    assert seen == [new, last]


async def test_a_state_of_the_earlier_version_without_a_creation_is_replaced(redis: Redis) -> None:
    where = redis.keyspace.job_state("team-a", "job-1")
    earlier = snapshot(1, 1, created_at=LATER)
    await job_states.publish(redis, earlier, 60)
    await redis.hdel(where, "created")
    assert await job_states.publish(redis, snapshot(1, 0, uid="u2"), 60)
    assert await job_states.publish(redis, earlier, 60)
    await redis.hset(where, "created", "no number")
    assert await job_states.publish(redis, snapshot(1, 0, uid="u2"), 60)


async def test_a_deleted_job_stays_deleted_whatever_is_published_late(redis: Redis) -> None:
    await job_states.publish(redis, snapshot(1, 2), 60)
    assert await job_states.delete(redis, "team-a", "job-1", "u1")
    assert await job_states.read(redis, "team-a", "job-1") is None
    for late in (snapshot(1, 3), snapshot(2, 0), DONE):
        assert not await job_states.publish(redis, late, 60)
    assert await job_states.read(redis, "team-a", "job-1") is None
    assert not await job_states.delete(redis, "team-a", "job-1", "u1")
    ttl = await redis.ttl(redis.keyspace.job_state("team-a", "job-1"))
    assert 3_500 < ttl <= 3_600


async def test_a_publisher_of_the_earlier_version_is_refused_as_well(redis: Redis) -> None:
    await version_0_1.publish(redis, snapshot(1, 2), 60)
    await job_states.delete(redis, "team-a", "job-1", "u1")
    for late in (snapshot(1, 3), snapshot(2, 0), DONE):
        assert not await version_0_1.publish(redis, late, 60)
    again = snapshot(1, 0, uid="u2", created_at=LATER)
    assert await version_0_1.publish(redis, again, 60)
    assert await job_states.read(redis, "team-a", "job-1") == again
    assert not await job_states.publish(redis, snapshot(1, 4), 60)


async def test_a_job_that_redis_never_knew_can_be_deleted(redis: Redis) -> None:
    assert await job_states.delete(redis, "team-a", "job-1", "u1")
    assert not await job_states.publish(redis, snapshot(), 60)
    assert await job_states.publish(redis, snapshot(uid="u2"), 60)


async def test_a_job_that_is_created_again_takes_the_place_of_the_deleted_one(
    redis: Redis,
) -> None:
    """Also when both were created within one second, and the old one's runner publishes late."""
    await job_states.publish(redis, snapshot(1, 2), 60)
    await job_states.delete(redis, "team-a", "job-1", "u1")
    again = snapshot(1, 0, uid="u2")
    assert await job_states.publish(redis, again, 60)
    assert not await job_states.publish(redis, snapshot(1, 3), 60)
    assert await job_states.read(redis, "team-a", "job-1") == again
    # A short life of the new snapshot does not shorten that of the deletion.
    assert await redis.ttl(redis.keyspace.job_state("team-a", "job-1")) > 3_500


async def test_the_deletion_of_a_job_leaves_its_namesake(redis: Redis) -> None:
    again = snapshot(1, 0, uid="u2")
    await job_states.publish(redis, again, 60)
    assert not await job_states.delete(redis, "team-a", "job-1", "u1", snapshot(1, 2))
    assert await job_states.read(redis, "team-a", "job-1") == again
    assert not await job_states.publish(redis, snapshot(1, 3), 60)
    assert await job_states.publish(redis, snapshot(1, 1, uid="u2"), 60)
    assert await job_states.delete(redis, "team-a", "job-1", "u2")
    assert await job_states.read(redis, "team-a", "job-1") is None


async def test_the_deletion_of_a_job_removes_the_state_of_an_earlier_namesake(
    redis: Redis,
) -> None:
    """No process saw that the first one was deleted, and the second one was never published."""
    await job_states.publish(redis, DONE, 60)
    second = snapshot(0, 0, uid="u2", created_at=LATER)
    assert await job_states.delete(redis, "team-a", "job-1", "u2", second)
    assert await job_states.read(redis, "team-a", "job-1") is None
    for late in (snapshot(2, 1), second):
        assert not await job_states.publish(redis, late, 60)
    third = snapshot(0, 0, uid="u3", created_at=LATER)
    assert await job_states.publish(redis, third, 60)
    assert not await job_states.delete(redis, "team-a", "job-1", "u1", DONE)
    assert await job_states.read(redis, "team-a", "job-1") == third


async def test_deletions_that_are_recorded_in_the_wrong_order_refuse_both_jobs(
    redis: Redis,
) -> None:
    second = snapshot(1, 1, uid="u2", created_at=LATER)
    await job_states.delete(redis, "team-a", "job-1", "u2", second)
    assert not await job_states.delete(redis, "team-a", "job-1", "u1", snapshot(1, 1))
    for late in (snapshot(1, 2), snapshot(1, 2, uid="u2", created_at=LATER)):
        assert not await job_states.publish(redis, late, 60)


async def test_subscribers_get_the_end_of_a_deleted_job_once(redis: Redis) -> None:
    last = snapshot(1, 2, progress=40)
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(keys.job_updates("job-1"))
        await job_states.publish(redis, last, 60)
        # The operator, and an API process that found no resource.
        await asyncio.gather(
            job_states.delete(redis, "team-a", "job-1", "u1", last),
            job_states.delete_gone(redis, last),
        )
        await job_states.delete(redis, "team-a", "job-1", "u1", last)
        end = snapshot(uid="end")
        await redis.publish(keys.job_updates("job-1"), end.model_dump_json(by_alias=True))
        seen = await messages_until(pubsub, end)
    assert seen == [last, deleted(last), end]


async def test_a_job_that_had_ended_is_deleted_without_a_message(redis: Redis) -> None:
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(keys.job_updates("job-1"))
        await job_states.publish(redis, DONE, 60)
        assert await job_states.delete(redis, "team-a", "job-1", "u1", snapshot(1, 2))
        await job_states.delete_gone(redis, DONE)
        end = snapshot(uid="end")
        await redis.publish(keys.job_updates("job-1"), end.model_dump_json(by_alias=True))
        seen = await messages_until(pubsub, end)
    assert seen == [DONE, end]


async def test_all_states_are_scanned_in_batches(redis: Redis) -> None:
    wanted = {("team-a", f"job-{number}", f"u{number}") for number in range(250)}
    for namespace, name, uid in wanted:
        await job_states.publish(redis, snapshot(namespace=namespace, name=name, uid=uid), 60)
    await job_states.publish(redis, snapshot(name="gone", uid="u-gone"), 60)
    await job_states.delete(redis, "team-a", "gone", "u-gone")
    await redis.set("wherry:head:1", "x")
    await redis.set("wherry:state:no/hash", "x")
    await redis.hset("wherry:state:no-job", "uid", "x")
    batches = [batch async for batch in job_states.scan(redis, batch=100)]
    assert max(len(batch) for batch in batches) <= 100
    refs = [ref for batch in batches for ref in batch]
    assert {(ref.namespace, ref.name, ref.uid) for ref in refs if not ref.deleted} == wanted
    assert [ref for ref in refs if ref.deleted] == [
        job_states.StateRef("team-a", "gone", "u-gone", deleted=True)
    ]


async def test_a_scan_shows_a_job_and_the_deleted_one_of_its_name(redis: Redis) -> None:
    await job_states.publish(redis, snapshot(name="job", uid="new"), 60)
    await job_states.delete(redis, "team-a", "job", "old")
    refs = [ref for batch in [each async for each in job_states.scan(redis)] for ref in batch]
    assert refs == [
        job_states.StateRef("team-a", "job", "new"),
        job_states.StateRef("team-a", "job", "old", deleted=True),
    ]


async def test_a_scan_of_nothing(redis: Redis) -> None:
    assert [batch async for batch in job_states.scan(redis)] == []


@pytest.mark.parametrize("text", [b"", b"{", b'{"status": "archived"}', b"\xff\xfe", b"[]"])
async def test_a_snapshot_that_cannot_be_read_counts_as_none(redis: Redis, text: bytes) -> None:
    await redis.hset(redis.keyspace.job_state("team-a", "job-1"), "snapshot", text)
    assert await job_states.read(redis, "team-a", "job-1") is None
    jobs = [("team-a", "job-1"), ("team-a", "job-2")]
    await job_states.publish(redis, snapshot(name="job-2"), 60)
    assert await job_states.read_many(redis, jobs) == [None, snapshot(name="job-2")]
