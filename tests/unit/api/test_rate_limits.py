import pytest

from wherry_api.problems import ProblemError
from wherry_api.rate_limits import RateLimits


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_a_steady_rate() -> None:
    clock = Clock()
    limits = RateLimits(3, 60, clock)
    assert [limits.spend("a")["RateLimit"] for _ in range(3)] == [
        '"tenant";r=2;t=20',
        '"tenant";r=1;t=40',
        '"tenant";r=0;t=60',
    ]
    with pytest.raises(ProblemError) as caught:
        limits.spend("a")
    assert caught.value.headers["Retry-After"] == "20"
    assert caught.value.headers["RateLimit-Policy"] == '"tenant";q=3;w=60'
    clock.now += 20
    assert limits.spend("a")["RateLimit"].startswith('"tenant";r=0')
    with pytest.raises(ProblemError):
        limits.spend("a")


def test_tenants_do_not_share() -> None:
    limits = RateLimits(1, 60, Clock())
    limits.spend("a")
    limits.spend("b")
    with pytest.raises(ProblemError):
        limits.spend("a")


def test_no_more_than_the_quota_is_saved_up() -> None:
    clock = Clock()
    limits = RateLimits(2, 60, clock)
    limits.spend("a")
    clock.now += 10_000
    assert limits.spend("a")["RateLimit"] == '"tenant";r=1;t=30'


def test_zero_is_no_limit() -> None:
    limits = RateLimits(0, 60, Clock())
    assert [limits.spend("a") for _ in range(1000)] == [{}] * 1000
