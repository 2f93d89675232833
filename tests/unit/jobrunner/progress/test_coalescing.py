import asyncio
import time

import pytest

from wherry_jobrunner.progress.coalescing import Coalescer, pause_before


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [(10.0, float("-inf"), 0.0), (10.0, 9.9, 0.15), (10.0, 9.75, 0.0), (10.0, 3.0, 0.0)],
)
def test_pause_keeps_the_interval(now: float, last: float, expected: float) -> None:
    assert pause_before(now, last, 0.25) == pytest.approx(expected)


async def test_only_the_latest_of_many_values_is_sent() -> None:
    sent: list[int] = []
    done = asyncio.Event()

    async def send(value: int) -> None:
        sent.append(value)
        if value == 99:
            done.set()

    coalescer = Coalescer(0.05, send)
    task = asyncio.create_task(coalescer.run())
    coalescer.offer(0)
    await asyncio.sleep(0.01)
    for value in range(1, 100):
        coalescer.offer(value)
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    assert sent == [0, 99]


async def test_value_offered_while_sending_is_not_lost() -> None:
    sent: list[int] = []
    second = asyncio.Event()
    coalescer: Coalescer[int]

    async def send(value: int) -> None:
        sent.append(value)
        if value == 1:
            coalescer.offer(2)
        else:
            second.set()

    coalescer = Coalescer(0.0, send)
    task = asyncio.create_task(coalescer.run())
    coalescer.offer(1)
    await asyncio.wait_for(second.wait(), 5)
    task.cancel()
    assert sent == [1, 2]


async def test_first_value_waits_for_an_interval_after_a_given_time() -> None:
    sent: list[int] = []

    async def send(value: int) -> None:
        sent.append(value)

    coalescer = Coalescer(3_600, send, since=time.monotonic())
    task = asyncio.create_task(coalescer.run())
    coalescer.offer(1)
    await asyncio.sleep(0.02)
    task.cancel()
    assert sent == []
