"""The loop: each key once at a time, again when it changed meanwhile, later when it failed."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.harness.waiting import eventually
from wherry_core.kubernetes.errors import KubernetesError, RefusedError
from wherry_operator.reconciler import Backoff, Reconciler, WorkQueue


@asynccontextmanager
async def running(
    reconcile: Callable[[str], Awaitable[float | None]], workers: int = 2
) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue("job")
    loop = Reconciler(queue, reconcile, workers=workers, backoff=Backoff(first=0.01))
    task = asyncio.create_task(loop.run())
    try:
        yield queue
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_key_that_is_added_often_is_worked_on_once() -> None:
    seen: list[str] = []

    async def note(key: str) -> None:
        seen.append(key)

    async with running(note) as queue:
        for _ in range(5):
            queue.add("a")
        queue.add("b")
        await eventually("the queue to be empty", lambda: queue.idle)
    assert sorted(seen) == ["a", "b"]


async def test_a_key_is_never_worked_on_twice_at_once_but_once_more_afterwards() -> None:
    at_once, most, count = 0, 0, 0
    go = asyncio.Event()

    async def work(_: str) -> None:
        nonlocal at_once, most, count
        at_once += 1
        most, count = max(most, at_once), count + 1
        await go.wait()
        at_once -= 1

    async with running(work) as queue:
        queue.add("a")
        await eventually("the work to begin", lambda: count == 1)
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(0)
        go.set()
        await eventually("the second time", lambda: count == 2 and queue.idle)
    assert most == 1


async def test_a_failing_key_is_tried_again_and_hinders_no_other() -> None:
    tries = {"bad": 0, "good": 0}

    async def work(key: str) -> None:
        tries[key] += 1
        if key == "bad" and tries[key] < 4:
            raise RuntimeError("not yet")

    async with running(work, workers=1) as queue:
        queue.add("bad")
        queue.add("good")
        await eventually("the fourth try", lambda: tries["bad"] == 4)
    assert tries["good"] == 1


async def test_only_the_newest_timer_of_a_key_counts() -> None:
    times: list[float] = []
    wanted: list[float | None] = [60.0, 0.01, None]
    clock = asyncio.get_running_loop().time

    async def work(_: str) -> float | None:
        times.append(clock())
        return wanted[len(times) - 1]

    async with running(work) as queue:
        queue.add("a")
        await eventually("the first time", lambda: len(times) == 1)
        queue.add("a")
        await eventually("the timer", lambda: len(times) == 3)
        assert queue.idle


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first=0.2, longest=60)
    assert [backoff.pause(number) for number in (1, 2, 3)] == [0.2, 0.4, 0.8]
    assert backoff.pause(500) == 60


@pytest.mark.parametrize(
    ("error", "level", "traced"),
    [
        (KubernetesError(0, "Unreachable", "refused"), logging.WARNING, False),
        (KubernetesError(429, "TooManyRequests", "later"), logging.WARNING, False),
        (RefusedError(422, "Invalid", "not so"), logging.ERROR, True),
        (ValueError("a fault of ours"), logging.ERROR, True),
    ],
)
async def test_only_a_fault_of_ours_is_logged_with_its_trace(
    error: Exception, level: int, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    failed = False

    async def fail_once(_: str) -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise error

    async with running(fail_once) as queue:
        queue.add("a")
        await eventually("the second try", lambda: failed and queue.idle)
    (record,) = [each for each in caplog.records if "could not reconcile" in each.message]
    assert (record.levelno, bool(record.exc_info)) == (level, traced)
    assert str(error) in record.message
