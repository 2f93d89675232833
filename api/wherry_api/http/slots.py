"""Taking slots: so much at once and no more, and who came first goes first.

The API server works at all requests that it is sent at the same time, and finishes them in no
order: sent 64 creates at once, it lets some wait three times as long as others, and takes no more
a second than with 16. In the queue here everyone waits for about the same time. A queue that grows
without end helps nobody, so those for whom it is too long are told at once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class NoSlotError(Exception):
    """The queue is full, or the turn did not come in time."""


class Slots:
    """A queue in front of something that is done ``at_once`` times at the most."""

    def __init__(self, at_once: int, *, waiting: int, patience_seconds: float) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._places = waiting
        self._patience = patience_seconds
        self.waiting = 0
        """How many wait for their turn."""

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it; raises NoSlotError."""
        if self._slots.locked():
            await self._wait()
        else:
            await self._slots.acquire()
        try:
            yield
        finally:
            self._slots.release()

    async def _wait(self) -> None:
        if self.waiting >= self._places:
            raise NoSlotError(f"{self.waiting} wait already")
        self.waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._slots.acquire()
        except TimeoutError:
            raise NoSlotError(f"no turn within {self._patience:g} seconds") from None
        finally:
            self.waiting -= 1
