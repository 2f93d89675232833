"""Snapshots in a real Redis: newest wins, terminal is final, followers hear of it."""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wherry_core.job_snapshot import JobSnapshot, JobStatus
from wherry_core.redis import job_states, keys
from wherry_core.redis.client import Redis
from wherry_core.redis.keys import Keyspace

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


async def heard(pubsub: Any, last: JobSnapshot) -> list[JobSnapshot]:
    """Return what a follower hears until ``last`` comes; TimeoutError when that never does."""
    seen: list[JobSnapshot] = []
    async with asyncio.timeout(10):
        async for message in pubsub.listen():
            if message["type"] == "message":
                seen.append(JobSnapshot.model_validate_json(message["data"]))
                if seen[-1] == last:
                    break
    return seen


async def test_read_gives_back_what_was_published(redis: Redis) -> None:
    assert await job_states.read(redis, "team-a", "job-1") is None
    assert await job_states.publish(redis, snapshot(1, 2, progress=40), 60)
    assert await job_states.read(redis, "team-a", "job-1") == snapshot(1, 2, progress=40)
    assert 0 < await redis.ttl(Keyspace().job_state("team-a", "job-1")) <= 60


async def test_many_are_read_in_their_order_with_gaps_for_unknown_ones(redis: Redis) -> None:
    second = snapshot(2, 1, name="job-2", progress=10)
    assert await job_states.publish(redis, snapshot(1, 2), 60)
    assert await job_states.publish(redis, second, 60)
    wanted = [("team-a", "job-2"), ("team-a", "none"), ("team-b", "job-1"), ("team-a", "job-1")]
    assert await job_states.read_many(redis, wanted) == [second, None, None, snapshot(1, 2)]
    assert await job_states.read_many(redis, []) == []


@pytest.mark.parametrize(
    ("first", "second", "taken"),
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
async def test_only_a_newer_snapshot_is_taken(
    redis: Redis, first: JobSnapshot, second: JobSnapshot, taken: bool
) -> None:
    await job_states.publish(redis, first, 60)
    assert await job_states.publish(redis, second, 60) is taken
    assert await job_states.read(redis, "team-a", "job-1") == (second if taken else first)


async def test_followers_see_snapshots_only_in_order_and_the_last_one_always(redis: Redis) -> None:
    order = [snapshot(attempt, step) for attempt in (1, 2, 3) for step in range(10)]
    shuffled = random.Random(7).sample(order, len(order))
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(keys.job_updates("job-1"))
        await asyncio.gather(*[job_states.publish(redis, each, 60) for each in shuffled])
        await job_states.publish(redis, DONE, 60)
        seen = await heard(pubsub, DONE)
    assert all(newer.newer_than(older) for older, newer in itertools.pairwise(seen))
    assert seen[-1] == DONE


async def test_jobs_of_one_name_in_two_namespaces_do_not_mix(redis: Redis) -> None:
    other = snapshot(5, 5, namespace="team-b", uid="u2")
    await job_states.publish(redis, snapshot(), 60)
    await job_states.publish(redis, other, 60)
    assert await job_states.read(redis, "team-a", "job-1") == snapshot()
    assert await job_states.read(redis, "team-b", "job-1") == other


async def test_followers_hear_nothing_of_a_job_whose_namesake_is_there(redis: Redis) -> None:
    new = snapshot(1, 0, uid="u2", created_at=LATER)
    late = [snapshot(1, step) for step in range(20)]
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(keys.job_updates("job-1"))
        await job_states.publish(redis, new, 60)
        assert not any(await asyncio.gather(*(job_states.publish(redis, x, 60) for x in late)))
        last = snapshot(1, 1, uid="u2", created_at=LATER)
        await job_states.publish(redis, last, 60)
        seen = await heard(pubsub, last)
    assert seen == [new, last]


async def test_what_an_earlier_release_kept_gives_way(redis: Redis) -> None:
    """It kept no time of creation; and what it writes later leaves the one that is there."""
    where = Keyspace().job_state("team-a", "job-1")
    earlier = snapshot(1, 1, created_at=LATER)
    await job_states.publish(redis, earlier, 60)
    await redis.hdel(where, "created")
    assert await job_states.publish(redis, snapshot(1, 0, uid="u2"), 60)
    assert await job_states.publish(redis, earlier, 60)
    await redis.hset(where, "created", "no number")
    assert await job_states.publish(redis, snapshot(1, 0, uid="u2"), 60)


async def test_a_job_is_forgotten_and_not_its_namesake(redis: Redis) -> None:
    await job_states.publish(redis, snapshot(), 60)
    await job_states.delete(redis, "team-a", "job-1", "u2")
    await job_states.delete(redis, "team-a", "job-2", "u1")
    assert await job_states.read(redis, "team-a", "job-1") == snapshot()
    await job_states.delete(redis, "team-a", "job-1", "u1")
    assert not await redis.exists(Keyspace().job_state("team-a", "job-1"))


@pytest.mark.parametrize("text", [b"", b"{", b'{"status": "archived"}', b"\xff\xfe", b"[]"])
async def test_a_snapshot_that_is_none_of_ours_counts_as_none(redis: Redis, text: bytes) -> None:
    await redis.hset(Keyspace().job_state("team-a", "job-1"), "snapshot", text)
    assert await job_states.read(redis, "team-a", "job-1") is None
    jobs = [("team-a", "job-1"), ("team-a", "job-2")]
    await job_states.publish(redis, snapshot(name="job-2"), 60)
    assert await job_states.read_many(redis, jobs) == [None, snapshot(name="job-2")]
