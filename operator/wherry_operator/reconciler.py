"""The loop: keys in, one reconcile a key at a time, retried with a growing pause."""

import asyncio
import heapq
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from wherry_operator import metrics
from wherry_operator.kubernetes_api import KubernetesError, RefusedError

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 60.0

Reconcile = Callable[[str], Awaitable[float | None]]
"""Takes a key; returns after how many seconds it wants to look at the key again, or None."""


@dataclass(frozen=True)
class Backoff:
    """Pauses between two tries of a key that failed, in seconds."""

    first: float = FIRST_PAUSE_SECONDS
    longest: float = LONGEST_PAUSE_SECONDS

    def pause(self, failures: int) -> float:
        """Return the pause after so many failures in a row: doubled with each."""
        return float(min(self.longest, self.first * 2 ** min(failures - 1, 30)))


class Reconciler:
    """A deduplicating queue of keys with workers, as controllers in Kubernetes have it.

    A key waits at most once; while it is worked on it is not given to a second worker, but is
    taken up again afterwards when it was added meanwhile. Each key has at most one timer: what
    the newest reconcile asked for.
    """

    def __init__(
        self,
        name: str,
        reconcile: Reconcile,
        *,
        workers: int,
        backoff: Backoff | None = None,
        measured: Callable[[], bool] = lambda: True,
    ) -> None:
        """``measured`` tells whether times count: those of a replica that only looks do not."""
        self.name = name
        self._measured = measured
        self._reconcile = reconcile
        self._workers = workers
        self._backoff = backoff or Backoff()
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._active: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._timers: list[tuple[float, str]] = []
        self._work = asyncio.Event()
        self._timer_changed = asyncio.Event()

    def add(self, key: str) -> None:
        """Have ``key`` reconciled as soon as a worker is free."""
        if key in self._active:
            self._again.add(key)
        else:
            self._ready[key] = None
            self._work.set()

    def add_after(self, key: str, seconds: float) -> None:
        """Have ``key`` reconciled in ``seconds``, instead of at an earlier request's time."""
        due = time.monotonic() + max(0.0, seconds)
        self._due[key] = due
        heapq.heappush(self._timers, (due, key))
        self._timer_changed.set()

    def forget(self, key: str) -> None:
        """Drop the timer and the failures of a key that is gone."""
        self._due.pop(key, None)
        self._failures.pop(key, None)

    @property
    def idle(self) -> bool:
        """True when nothing waits and nothing is worked on; timers do not count."""
        return not self._ready and not self._active

    @property
    def waiting(self) -> int:
        """How many keys wait for a worker or are worked on."""
        return len(self._ready) + len(self._active)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_timers(), name=f"{self.name} timers")
            for number in range(self._workers):
                tasks.create_task(self._run_worker(), name=f"{self.name} worker {number}")

    async def _run_worker(self) -> None:
        while True:
            while not self._ready:
                self._work.clear()
                await self._work.wait()
            key, _ = self._ready.popitem(last=False)
            self._active.add(key)
            try:
                await self._reconcile_once(key)
            finally:
                self._active.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _reconcile_once(self, key: str) -> None:
        started = time.monotonic()
        try:
            look_again = await self._reconcile(key)
        except Exception as error:
            failures = self._failures.get(key, 0) + 1
            self._failures[key] = failures
            metrics.RECONCILE_ERRORS.labels(kind=self.name).inc()
            pause = self._backoff.pause(failures)
            # An API server's answer says enough; a fault of ours is looked for by its trace.
            ours = not isinstance(error, KubernetesError) or isinstance(error, RefusedError)
            logger.log(
                logging.ERROR if ours else logging.WARNING,
                "could not reconcile, next try in %.1f s: %s",
                pause,
                error,
                exc_info=ours,
                extra={self.name: key},
            )
            self.add_after(key, pause)
        else:
            self._failures.pop(key, None)
            if look_again is None:
                self._due.pop(key, None)
            else:
                self.add_after(key, look_again)
        finally:
            if self._measured():
                metrics.RECONCILE_SECONDS.labels(kind=self.name).observe(time.monotonic() - started)

    async def _run_timers(self) -> None:
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
