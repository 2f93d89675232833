import asyncio
from dataclasses import dataclass, field

import pytest

from wherry_api.http.problems import ProblemError
from wherry_api.services.rate_limits import RateLimits
from wherry_core.redis.link import RedisUnavailableError
from wherry_core.redis.tenant_limits import Drawn


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def away(tenant: str, wanted: int) -> Drawn:
    raise RedisUnavailableError("away")


def alone(requests: int, clock: Clock | None = None) -> RateLimits:
    return RateLimits(requests, 60, away, clock or Clock())


@dataclass
class Allowance:
    """The quota in Redis, and the draws from it."""

    left: int
    wait_seconds: float = 0.0
    asked: list[int] = field(default_factory=list)

    async def draw(self, tenant: str, wanted: int) -> Drawn:
        self.asked.append(wanted)
        await asyncio.sleep(0)
        granted = min(wanted, self.left)
        self.left -= granted
        return Drawn(granted, self.left, 0.0 if self.left else self.wait_seconds)


async def test_without_redis_a_burst_then_a_steady_rate() -> None:
    clock = Clock()
    limits = alone(3, clock)
    assert [(await limits.spend("a"))["RateLimit"] for _ in range(3)] == [
        '"tenant";r=2;t=20',
        '"tenant";r=1;t=40',
        '"tenant";r=0;t=60',
    ]
    with pytest.raises(ProblemError) as caught:
        await limits.spend("a")
    assert caught.value.headers["Retry-After"] == "20"
    assert caught.value.headers["RateLimit-Policy"] == '"tenant";q=3;w=60'
    clock.now += 20
    assert (await limits.spend("a"))["RateLimit"].startswith('"tenant";r=0')
    with pytest.raises(ProblemError):
        await limits.spend("a")


async def test_without_redis_tenants_do_not_share() -> None:
    limits = alone(1)
    await limits.spend("a")
    await limits.spend("b")
    with pytest.raises(ProblemError):
        await limits.spend("a")


async def test_without_redis_at_most_the_quota_accumulates() -> None:
    clock = Clock()
    limits = alone(2, clock)
    await limits.spend("a")
    clock.now += 10_000
    assert (await limits.spend("a"))["RateLimit"] == '"tenant";r=1;t=30'


async def test_zero_is_no_limit() -> None:
    limits = alone(0)
    assert [await limits.spend("a") for _ in range(1000)] == [{}] * 1000


async def test_a_fiftieth_of_the_quota_is_drawn_at_a_time() -> None:
    shared = Allowance(1000)
    limits = RateLimits(1000, 60, shared.draw, Clock())
    answered = [(await limits.spend("a"))["RateLimit"] for _ in range(25)]
    assert shared.asked == [20, 20]
    assert answered[0] == '"tenant";r=999;t=1'
    assert answered[-1] == '"tenant";r=975;t=2'


async def test_concurrent_requests_share_one_draw() -> None:
    shared = Allowance(99)
    limits = RateLimits(99, 60, shared.draw, Clock())
    await asyncio.gather(*(limits.spend("a") for _ in range(64)))
    assert shared.asked == [1, 63]
    assert shared.left == 35


async def test_a_refused_tenant_does_not_draw_before_the_next_request_is_due() -> None:
    clock, shared = Clock(), Allowance(0, wait_seconds=20)
    limits = RateLimits(3, 60, shared.draw, clock)
    for waited, after in ((0, "20"), (15, "5")):
        clock.now = 100 + waited
        with pytest.raises(ProblemError) as caught:
            await limits.spend("a")
        assert caught.value.headers["Retry-After"] == after
        assert caught.value.headers["RateLimit"] == f'"tenant";r=0;t={after}'
    assert shared.asked == [1]
    clock.now, shared.left = 121, 1
    assert (await limits.spend("a"))["RateLimit"].startswith('"tenant";r=0')
    assert shared.asked == [1, 1]


async def test_a_slow_redis_delays_no_request() -> None:
    answers = asyncio.Event()
    asked = []

    async def slow(tenant: str, wanted: int) -> Drawn:
        asked.append(wanted)
        await answers.wait()
        return Drawn(5, 95, 0.0)

    limits = RateLimits(500, 60, slow)
    alone = await limits.spend("a")
    assert alone["RateLimit"].startswith('"tenant";r=499')
    await asyncio.gather(*(limits.spend("a") for _ in range(10)))
    assert asked == [10]
    answers.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # A late answer counts from now on.
    assert (await limits.spend("a"))["RateLimit"].startswith('"tenant";r=99')
    assert asked == [10]


async def test_a_cancelled_wait_takes_no_answer_from_others() -> None:
    shared = Allowance(10)
    limits = RateLimits(10, 60, shared.draw, Clock())
    first, second = (asyncio.create_task(limits.spend("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)["RateLimit"].startswith('"tenant";r=9')
    with pytest.raises(asyncio.CancelledError):
        await first
