"""The queue against a real Redis: order, fairness between tenants, nothing twice."""

import asyncio
from collections import Counter

from wherry_core.redis import job_queue
from wherry_core.redis.client import Redis

POOL = "default"


async def pop_all(redis: Redis) -> list[str]:
    popped = []
    while waiting := await job_queue.pop(redis, POOL, 0.05):
        popped.append(waiting.job)
    return popped


async def test_first_in_first_out_within_a_tenant(redis: Redis) -> None:
    jobs = [f"a/{number}" for number in range(20)]
    for job in jobs:
        assert await job_queue.enqueue(redis, POOL, job, 0)
    assert await pop_all(redis) == jobs


async def test_a_job_is_in_the_queue_once(redis: Redis) -> None:
    assert await job_queue.enqueue(redis, POOL, "a/1", 0)
    assert not await job_queue.enqueue(redis, POOL, "a/1", 50)
    assert await job_queue.length(redis, POOL) == 1


async def test_a_higher_priority_leaves_first(redis: Redis) -> None:
    for job, priority in (("a/low", -100), ("a/mid", 0), ("a/high", 100), ("b/mid", 0)):
        await job_queue.enqueue(redis, POOL, job, priority)
    assert await pop_all(redis) == ["a/high", "a/mid", "b/mid", "a/low"]


async def test_a_tenant_with_many_jobs_delays_another_by_one_job(redis: Redis) -> None:
    for number in range(1_000):
        await job_queue.enqueue(redis, POOL, f"busy/{number:04}", 0)
    for _ in range(300):
        assert await job_queue.pop(redis, POOL, 0.05)
    await job_queue.enqueue(redis, POOL, "quiet/1", 0)
    next_two = [await job_queue.pop(redis, POOL, 0.05) for _ in range(2)]
    assert "quiet/1" in [waiting.job for waiting in next_two if waiting]


async def test_tenants_alternate(redis: Redis) -> None:
    for tenant in ("a", "b", "c"):
        for number in range(30):
            await job_queue.enqueue(redis, POOL, f"{tenant}/{number:02}", 0)
    order = await pop_all(redis)
    for round_ in range(30):
        tenants = Counter(job.partition("/")[0] for job in order[round_ * 3 : round_ * 3 + 3])
        assert tenants == {"a": 1, "b": 1, "c": 1}


async def test_a_tenant_earns_no_credit_by_waiting(redis: Redis) -> None:
    await job_queue.enqueue(redis, POOL, "b/first", 0)
    for number in range(50):
        await job_queue.enqueue(redis, POOL, f"a/{number:02}", 0)
    for _ in range(20):
        await job_queue.pop(redis, POOL, 0.05)
    for number in range(10):
        await job_queue.enqueue(redis, POOL, f"b/{number}", 0)
    order = await pop_all(redis)
    first_ten = Counter(job.partition("/")[0] for job in order[:10])
    assert first_ten == {"a": 5, "b": 5}


async def test_a_job_that_is_put_back_is_first_again(redis: Redis) -> None:
    for number in range(3):
        await job_queue.enqueue(redis, POOL, f"a/{number}", 0)
    waiting = await job_queue.pop(redis, POOL, 0.05)
    assert waiting
    assert waiting.job == "a/0"
    await job_queue.put_back(redis, POOL, waiting)
    assert await pop_all(redis) == ["a/0", "a/1", "a/2"]


async def test_many_runners_never_take_the_same_job(redis: Redis) -> None:
    jobs = {f"a/{number}" for number in range(200)}
    for job in jobs:
        await job_queue.enqueue(redis, POOL, job, 0)
    taken = [
        job for share in await asyncio.gather(*[pop_all(redis) for _ in range(8)]) for job in share
    ]
    assert len(taken) == len(set(taken))
    assert set(taken) == jobs


async def test_position_members_and_removal(redis: Redis) -> None:
    for number in range(3):
        await job_queue.enqueue(redis, POOL, f"a/{number}", 0)
    assert await job_queue.position(redis, POOL, "a/2") == 2
    assert await job_queue.position(redis, POOL, "a/9") is None
    assert await job_queue.members(redis, POOL) == {"a/0", "a/1", "a/2"}
    assert await job_queue.remove(redis, POOL, ["a/0", "a/9"]) == 1
    assert await job_queue.remove(redis, POOL, []) == 0
    assert await job_queue.position(redis, POOL, "a/2") == 1


async def test_pools_do_not_mix(redis: Redis) -> None:
    await job_queue.enqueue(redis, POOL, "a/1", 0)
    await job_queue.enqueue(redis, "large", "a/2", 0)
    assert await pop_all(redis) == ["a/1"]
    assert await job_queue.members(redis, "large") == {"a/2"}
