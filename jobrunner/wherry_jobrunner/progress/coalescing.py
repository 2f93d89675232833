"""Sending the latest value, at most once in an interval."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


def pause_before(now: float, last: float, interval: float) -> float:
    """Return the seconds to wait at ``now`` before sending again, ``last`` being the last time."""
    return max(0.0, last + interval - now)


class Coalescer(Generic[Value]):
    """Takes many values and sends the latest one, with a pause of ``interval`` seconds between.

    ``offer`` is cheap and never waits; ``run`` sends until it is cancelled. The first value goes
    out at once, or an interval after ``since`` (a monotonic time) where that is given.
    """

    def __init__(
        self,
        interval: float,
        send: Callable[[Value], Awaitable[None]],
        since: float = float("-inf"),
    ) -> None:
        self._interval = interval
        self._send = send
        self._last = since
        self._latest: list[Value] = []
        self._offered = asyncio.Event()

    def offer(self, value: Value) -> None:
        """Replace the value that is sent next."""
        self._latest[:] = [value]
        self._offered.set()

    async def run(self) -> None:
        """Send what is offered. Raises what ``send`` raises."""
        while True:
            await self._offered.wait()
            await asyncio.sleep(pause_before(time.monotonic(), self._last, self._interval))
            self._offered.clear()
            self._last = time.monotonic()
            await self._send(self._latest.pop())
