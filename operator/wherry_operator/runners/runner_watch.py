"""Reading from Redis which runners live, and what they work on."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from wherry_operator.intake.cache import ClusterCache
from wherry_operator.repair.queue_index import QueueIndex
from wherry_operator.runners.heartbeats import HeartbeatWatch
from wherry_operator.runners.orphaned_attempts import Strays, Work, find_strays

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 2.0
AGAIN_SECONDS: Final = 0.5
"""Pause after a look that Redis did not answer."""


class RunnerWatch:
    """Knows which runners have fallen silent, and tells of each change.

    A runner that works on a job which is no longer its own is asked to stop, at every look: who
    was to ask it when the job ended may have died, or Redis may have been away.
    """

    def __init__(
        self,
        cache: ClusterCache,
        index: QueueIndex,
        timeout_seconds: float,
        *,
        on_change: Callable[[str], None],
        on_draining: Callable[[str, set[str]], None],
    ) -> None:
        self._cache = cache
        self._index = index
        self._heartbeats = HeartbeatWatch(timeout_seconds)
        self._on_change = on_change
        self._on_draining = on_draining
        self._silent: frozenset[str] = frozenset()
        self._strays = Strays()

    def silent(self) -> frozenset[str]:
        """Return the runners that have fallen silent."""
        return self._silent

    def start_over(self) -> None:
        """Give every runner its full time anew."""
        self._heartbeats.start_over(time.monotonic())
        self._silent = frozenset()

    async def run(self) -> None:
        """Read every 2 s until cancelled."""
        self._strays = Strays()
        while True:
            answered = await self._look()
            await asyncio.sleep(LOOK_SECONDS if answered else AGAIN_SECONDS)

    async def _look(self) -> bool:
        """Read once; False when Redis did not answer."""
        now = time.monotonic()
        counts: dict[str, int] = {}
        runners: set[str] = set()
        begun: list[Work] = []
        answered = True
        for pool in {*self._cache.pools, *self._cache.pools_with_jobs()}:
            names = {pod.name for pod in self._cache.pods_of(pool) if pod.running}
            names |= self._cache.jobs_of(pool).by_runner.keys()
            if not names:
                continue
            records = await self._index.records(pool, sorted(names))
            if records is None:
                self._heartbeats.start_over(now)
                answered = False
                break
            runners |= names
            counts |= {name: record.heartbeat for name, record in records.items()}
            begun += [
                Work(pool, name, job) for name, record in records.items() for job in record.jobs
            ]
            leaving = {name for name, record in records.items() if record.draining}
            self._on_draining(pool, leaving)
        else:
            self._heartbeats.note(runners, counts, now)
            await self._stop_strays(begun)
        silent = self._heartbeats.silent(now)
        changed, self._silent = silent ^ self._silent, silent
        for name in changed:
            self._on_change(name)
        return answered

    async def _stop_strays(self, begun: list[Work]) -> None:
        earlier, self._strays = (
            self._strays,
            find_strays(begun, self._cache.jobs, self._strays.doubtful),
        )
        for work in self._strays.stop:
            if work not in earlier.stop:
                logger.info(
                    "the runner %s still works on it and is asked to stop",
                    work.runner,
                    extra={"job": work.job},
                )
            await self._index.stop(work.pool, work.runner, work.job)
