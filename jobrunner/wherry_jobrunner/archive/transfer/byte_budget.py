"""One bound on the bytes of file contents that a process holds in memory."""

import asyncio
from collections import deque
from dataclasses import dataclass
from weakref import WeakKeyDictionary

ALWAYS_GRANTED = 2
"""Parts that every job may hold even when the others have used up the budget.

A part waits, full, for the CRC of the file that goes on in the next part: with fewer than two
parts each, jobs would wait for one another forever.
"""


@dataclass(slots=True)
class _Waiter:
    share: "Share"
    size: int
    granted: asyncio.Future[None]


class ByteBudget:
    """Grants bytes in the order in which they were asked for."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self._waiters: deque[_Waiter] = deque()

    def share(self) -> "Share":
        """Return the share of one job."""
        return Share(self)

    def _fits(self, share: "Share", size: int) -> bool:
        return self.used + size <= self.capacity or share.held < ALWAYS_GRANTED

    async def acquire(self, share: "Share", size: int) -> None:
        """Wait until ``size`` bytes are granted to ``share``."""
        first = not self._waiters or share.held < ALWAYS_GRANTED
        if first and self._fits(share, size):
            self._grant(share, size)
            return
        waiter = _Waiter(share, size, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self.release(share, size)
            else:
                self._grant_waiting()
            raise

    def release(self, share: "Share", size: int) -> None:
        """Give ``size`` bytes back."""
        self.used -= size
        share.held -= 1
        self._grant_waiting()

    def _grant(self, share: "Share", size: int) -> None:
        self.used += size
        share.held += 1

    def _grant_waiting(self) -> None:
        # Without those whose tasks were cancelled and have not run since.
        self._waiters = deque(each for each in self._waiters if not each.granted.done())
        while self._waiters and self._fits(self._waiters[0].share, self._waiters[0].size):
            waiter = self._waiters.popleft()
            self._grant(waiter.share, waiter.size)
            waiter.granted.set_result(None)
        for waiter in [w for w in self._waiters if w.share.held < ALWAYS_GRANTED]:
            self._waiters.remove(waiter)
            self._grant(waiter.share, waiter.size)
            waiter.granted.set_result(None)


class Share:
    """What one job holds of the budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.held = 0
        """Grants held now."""

    async def acquire(self, size: int) -> None:
        """Wait until ``size`` more bytes are granted."""
        await self._budget.acquire(self, size)

    def release(self, size: int) -> None:
        """Give a grant of ``size`` bytes back."""
        self._budget.release(self, size)


_budgets: WeakKeyDictionary[asyncio.AbstractEventLoop, ByteBudget] = WeakKeyDictionary()


def budget_of_process(capacity: int) -> ByteBudget:
    """Return the budget that all jobs on this event loop share."""
    loop = asyncio.get_running_loop()
    budget = _budgets.get(loop)
    if budget is None or budget.capacity != capacity:
        budget = _budgets[loop] = ByteBudget(capacity)
    return budget
