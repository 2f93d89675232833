import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from tests.unit.jobrunner.builders import ME
from wherry_core.redis.link import RedisUnavailableError
from wherry_core.redis.runner_registry import Orders
from wherry_jobrunner.claim import heartbeat_orders
from wherry_jobrunner.claim.heartbeat_orders import Heartbeat, must_check


@pytest.mark.parametrize(
    ("now", "relied_until", "checked_at", "expected"),
    [
        (10.0, 10.1, 0.0, False),
        (10.0, 10.0, 0.0, True),
        (10.0, 9.0, 7.5, False),
        (10.0, 9.0, 7.0, True),
        (10.0, 9.0, float("-inf"), True),
    ],
)
def test_claims_are_checked_every_three_seconds_once_no_operator_gives_orders(
    now: float, relied_until: float, checked_at: float, expected: bool
) -> None:
    assert must_check(now, relied_until, checked_at) is expected


class Orderly:
    """A worker that notes what it is asked to do."""

    def __init__(self) -> None:
        self.checked: list[list[str]] = []
        self.left: list[str] = []
        self.dismissed = 0

    def jobs(self) -> list[str]:
        return ["a/1", "a/2"]

    def check(self, jobs: Iterable[str]) -> None:
        self.checked.append(sorted(jobs))

    def leave(self, why: str) -> None:
        self.left.append(why)

    def dismiss(self) -> None:
        self.dismissed += 1


class Answering:
    """A link whose heartbeats are answered with ``orders``; None: Redis is unavailable."""

    def __init__(self, orders: Orders | None) -> None:
        self.orders = orders

    async def send(self, command: Callable[[Any], Awaitable[Any]]) -> Orders:
        del command
        await asyncio.sleep(0)
        if self.orders is None:
            raise RedisUnavailableError("gone")
        return self.orders


async def beat(orders: Orders | None, seconds: float = 0.05, *, relied: float = 60.0) -> Orderly:
    """Run a heartbeat for some seconds, relying on an operator for ``relied`` from the start."""
    worker = Orderly()
    link: Any = Answering(orders)
    beating = Heartbeat(link, "default", ME, worker, asyncio.Lock())
    beating._relied_until = time.monotonic() + relied
    tasks = [asyncio.create_task(beating.run()), asyncio.create_task(beating.watch_operator())]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return worker


def orders(**more: Any) -> Orders:
    given: dict[str, Any] = {"drain": False, "stop": frozenset(), "operator_seconds": 3.0}
    return Orders(**(given | more))


async def test_orders_of_the_operator_are_followed() -> None:
    worker = await beat(orders(drain=True, stop=frozenset({"a/2"})))
    assert worker.checked == [["a/2"]]
    assert worker.left == ["the operator asks for it"]


async def test_a_dismissed_runner_stops_everything() -> None:
    worker = await beat(orders(dismissed=True, stop=frozenset({"a/1", "a/2"})))
    assert worker.dismissed == 1


async def test_nothing_is_checked_while_an_operator_lives() -> None:
    assert (await beat(orders(), 0.6)).checked == [[]]


@pytest.mark.parametrize("answer", [None, orders(operator_seconds=0.0)])
async def test_claims_are_checked_when_no_operator_lives_or_redis_is_unavailable(
    answer: Orders | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat_orders, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(heartbeat_orders, "CHECK_SECONDS", 0.1)
    worker = await beat(answer, 0.35, relied=0.05)
    checked = [jobs for jobs in worker.checked if jobs]
    assert 2 <= len(checked) <= 4
    assert set(map(tuple, checked)) == {("a/1", "a/2")}


async def test_claims_are_checked_after_the_process_was_frozen() -> None:
    worker = Orderly()
    link: Any = Answering(orders())
    beating = Heartbeat(link, "default", ME, worker, asyncio.Lock())
    beating.sent_at -= heartbeat_orders.FROZEN_SECONDS + 1
    task = asyncio.create_task(beating.run())
    await asyncio.sleep(0.05)
    task.cancel()
    assert worker.checked[0] == ["a/1", "a/2"]
