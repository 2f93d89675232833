"""The work queue and its workers, as controllers in Kubernetes have them."""

import asyncio
import heapq
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from wherry_core.kubernetes.errors import KubernetesError, RefusedError
from wherry_operator import metrics

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 60.0

Reconcile = Callable[[str], Awaitable[float | None]]
"""Takes a key; returns the seconds after which the key is to be requeued, or None."""


@dataclass(frozen=True)
class Backoff:
    """Pauses between two tries of a key that failed, in seconds."""

    first: float = FIRST_PAUSE_SECONDS
    longest: float = LONGEST_PAUSE_SECONDS

    def pause(self, failures: int) -> float:
        """Return the pause after ``failures`` failures in a row: doubled with each."""
        return float(min(self.longest, self.first * 2 ** min(failures - 1, 30)))


class WorkQueue:
    """A queue of keys without duplicates.

    A key waits at most once. While a worker has it, no second worker gets it; when it is added
    meanwhile, it waits again afterwards. Each key has at most one timer: the last one that was
    set.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        """The kind of its keys, for logs and metrics."""
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._active: set[str] = set()
        self._added_while_active: set[str] = set()
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._timers: list[tuple[float, str]] = []
        self._work = asyncio.Event()
        self._timer_changed = asyncio.Event()

    def add(self, key: str) -> None:
        """Have ``key`` reconciled as soon as a worker is free."""
        if key in self._active:
            self._added_while_active.add(key)
        else:
            self._ready[key] = None
            self._work.set()

    def add_after(self, key: str, seconds: float) -> None:
        """Have ``key`` reconciled in ``seconds``; replaces the key's earlier timer."""
        due = time.monotonic() + max(0.0, seconds)
        self._due[key] = due
        heapq.heappush(self._timers, (due, key))
        self._timer_changed.set()

    def evict(self, key: str) -> None:
        """Delete the timer and the failures of a key whose object is gone."""
        self._due.pop(key, None)
        self._failures.pop(key, None)

    @property
    def idle(self) -> bool:
        """True when no key waits and no worker has one; timers do not count."""
        return not self._ready and not self._active

    @property
    def waiting(self) -> int:
        """Number of keys that wait for a worker or that a worker has."""
        return len(self._ready) + len(self._active)

    async def take(self) -> str:
        """Return the next key; :meth:`done` must follow."""
        while not self._ready:
            self._work.clear()
            await self._work.wait()
        key, _ = self._ready.popitem(last=False)
        self._active.add(key)
        return key

    def succeeded(self, key: str, requeue_after: float | None) -> None:
        """Reset the key's failures, and set or delete its timer."""
        self._failures.pop(key, None)
        if requeue_after is None:
            self._due.pop(key, None)
        else:
            self.add_after(key, requeue_after)

    def failed(self, key: str, backoff: Backoff) -> float:
        """Requeue a key that could not be reconciled; return the pause in seconds."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        pause = backoff.pause(failures)
        self.add_after(key, pause)
        return pause

    def done(self, key: str) -> None:
        """Release a key that :meth:`take` returned."""
        self._active.discard(key)
        if key in self._added_while_active:
            self._added_while_active.discard(key)
            self.add(key)

    async def run_timers(self) -> None:
        """Add the keys whose timer has run out, until cancelled."""
        while True:
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                due, key = heapq.heappop(self._timers)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.add(key)
            pause = self._timers[0][0] - now if self._timers else None
            self._timer_changed.clear()
            try:
                # Not wait_for, which swallows a cancel now and then before Python 3.12.
                async with asyncio.timeout(pause):
                    await self._timer_changed.wait()
            except TimeoutError:
                continue


class Reconciler:
    """Workers that reconcile the keys of a queue, and retry after a growing pause."""

    def __init__(
        self,
        queue: WorkQueue,
        reconcile: Reconcile,
        *,
        workers: int,
        backoff: Backoff | None = None,
        measured: Callable[[], bool] | None = None,
    ) -> None:
        """``measured`` returns whether times count: those of a replica that only watches do not."""
        self._queue = queue
        self._reconcile = reconcile
        self._workers = workers
        self._backoff = backoff or Backoff()
        self._measured = measured

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._queue.run_timers(), name=f"{self._queue.name} timers")
            for number in range(self._workers):
                tasks.create_task(self._run_worker(), name=f"{self._queue.name} worker {number}")

    async def _run_worker(self) -> None:
        while True:
            key = await self._queue.take()
            try:
                await self._reconcile_once(key)
            finally:
                self._queue.done(key)

    async def _reconcile_once(self, key: str) -> None:
        started, kind = time.monotonic(), self._queue.name
        try:
            requeue_after = await self._reconcile(key)
        except Exception as error:
            metrics.RECONCILE_ERRORS.labels(kind=kind).inc()
            pause = self._queue.failed(key, self._backoff)
            # The API server's message is enough; only an unexpected error needs a traceback.
            unexpected = not isinstance(error, KubernetesError) or isinstance(error, RefusedError)
            logger.log(
                logging.ERROR if unexpected else logging.WARNING,
                "could not reconcile, next try in %.1f s: %s",
                pause,
                error,
                exc_info=unexpected,
                extra={kind: key},
            )
        else:
            self._queue.succeeded(key, requeue_after)
        finally:
            if self._measured is None or self._measured():
                metrics.RECONCILE_SECONDS.labels(kind=kind).observe(time.monotonic() - started)
