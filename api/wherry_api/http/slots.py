"""Limits how many requests do something at the same time, fairly between tenants.

The API server processes all requests that it receives at once, in no order: of 64 concurrent
creates some take three times as long as others, and it completes no more per second than with 16.
In this queue the tenants take turns, each with its own requests in order, so that a burst of one
tenant does not delay another. A request that finds the queue full is refused at once, because an
endless queue only delays the refusal.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class NoSlotError(Exception):
    """Raised when the queue is full, or no slot became free in time."""


class Slots:
    """``at_once`` slots, and a queue of up to ``waiting`` requests, half of it for one tenant."""

    def __init__(self, at_once: int, *, waiting: int, patience_seconds: float) -> None:
        self._free = at_once
        self._max_waiting = waiting
        self._max_waiting_of_tenant = max(waiting // 2, 1)
        self._patience = patience_seconds
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """Waiting requests by tenant; the tenant whose turn is next comes first."""

    @property
    def waiting(self) -> int:
        """Number of requests in the queue."""
        return sum(len(queue) for queue in self._queues.values())

    @asynccontextmanager
    async def slot(self, tenant: str) -> AsyncIterator[None]:
        """Wait for a slot and hold it; raises NoSlotError."""
        # A slot is only free while no request waits.
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait(tenant)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, tenant: str) -> None:
        of_tenant = len(self._queues.get(tenant, ()))
        if self.waiting >= self._max_waiting or of_tenant >= self._max_waiting_of_tenant:
            raise NoSlotError(f"{self.waiting} requests wait already, {of_tenant} of the tenant")
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(tenant, deque()).append(granted)
        try:
            async with asyncio.timeout(self._patience):
                await granted
        except BaseException as error:
            if granted.done() and not granted.cancelled():
                # The slot was granted in the same turn of the loop in which the wait ended.
                self._release()
            else:
                self._leave_queue(tenant, granted)
            if isinstance(error, TimeoutError):
                raise NoSlotError(
                    f"no slot became free within {self._patience:g} seconds"
                ) from None
            raise

    def _leave_queue(self, tenant: str, waiter: asyncio.Future[None]) -> None:
        queue = self._queues.get(tenant)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self._queues[tenant]

    def _release(self) -> None:
        """Give the slot to the next tenant's oldest request, or count it as free."""
        while self._queues:
            tenant, queue = self._queues.popitem(last=False)
            waiter = queue.popleft()
            if queue:
                self._queues[tenant] = queue
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1
