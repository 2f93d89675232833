"""The allowance of a tenant in a real Redis."""

import asyncio

import pytest

from wherry_core.redis.client import Redis
from wherry_core.redis.keys import Keyspace
from wherry_core.redis.tenant_limits import Drawn, draw


async def test_all_processes_together_get_the_quota_and_no_more(redis: Redis) -> None:
    drawn = await asyncio.gather(
        *(draw(redis, "a", quota=100, seconds=86_400, wanted=3) for _ in range(50))
    )
    assert sum(each.granted for each in drawn) == 100
    assert min(each.left for each in drawn) == 0
    refused = [each for each in drawn if each.granted == 0]
    assert all(0 < each.wait_seconds <= 864 for each in refused)
    assert (await draw(redis, "b", quota=100, seconds=86_400, wanted=3)).granted == 3


@pytest.mark.parametrize("quota", [1, 3, 7, 11, 1200, 9_999])
async def test_no_request_is_lost_to_rounding(redis: Redis, quota: int) -> None:
    wanted = max(1, quota // 100)
    granted = 0
    while (drawn := await draw(redis, "a", quota=quota, seconds=86_400, wanted=wanted)).granted:
        granted += drawn.granted
        assert drawn.left == quota - granted
    assert granted == quota


async def test_the_allowance_refills_evenly(redis: Redis) -> None:
    assert await draw(redis, "a", quota=20, seconds=2, wanted=20) == Drawn(20, 0, 0.1)
    await asyncio.sleep(0.35)
    # At least those that refill in that time; more on a slow machine.
    assert (await draw(redis, "a", quota=20, seconds=2, wanted=20)).granted >= 3
    assert 0 < await redis.pttl(Keyspace().tenant_limit("a")) <= 2000


async def test_a_clock_that_was_set_back_refuses_no_longer_than_the_window(
    redis: Redis,
) -> None:
    await redis.set(Keyspace().tenant_limit("a"), "99999999999999999")
    assert (await draw(redis, "a", quota=2, seconds=60, wanted=1)).wait_seconds <= 30


async def test_nothing_is_kept_for_an_idle_tenant(redis: Redis) -> None:
    await draw(redis, "a", quota=1000, seconds=1, wanted=1)
    await asyncio.sleep(0.05)
    assert await redis.exists(Keyspace().tenant_limit("a")) == 0
