"""Limits how many callers do something at the same time, first come, first served.

The API server processes all requests that it receives at once, in no order: of 64 concurrent
creates some take three times as long as others, and it completes no more per second than with 16.
In this queue all wait for about the same time. A request that finds the queue full is refused at
once, because an endless queue only delays the refusal.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class NoSlotError(Exception):
    """Raised when the queue is full, or no slot became free in time."""


class Slots:
    """``at_once`` slots, and a queue of up to ``waiting`` callers."""

    def __init__(self, at_once: int, *, waiting: int, patience_seconds: float) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._max_waiting = waiting
        self._patience = patience_seconds
        self.waiting = 0
        """Number of callers in the queue."""

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it; raises NoSlotError."""
        if self._slots.locked():
            await self._wait()
        else:
            await self._slots.acquire()
        try:
            yield
        finally:
            self._slots.release()

    async def _wait(self) -> None:
        if self.waiting >= self._max_waiting:
            raise NoSlotError(f"{self.waiting} callers wait already")
        self.waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._slots.acquire()
        except TimeoutError:
            raise NoSlotError(f"no slot became free within {self._patience:g} seconds") from None
        finally:
            self.waiting -= 1
