"""Reading the runners' heartbeats from Redis."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from wherry_operator.cache import ClusterCache
from wherry_operator.heartbeats import HeartbeatWatch
from wherry_operator.queue_index import QueueIndex

LOOK_SECONDS: Final = 2.0


class RunnerWatch:
    """Knows which runners have fallen silent; tells of each change."""

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

    def silent(self) -> frozenset[str]:
        """Return the runners that have fallen silent."""
        return self._silent

    def start_over(self) -> None:
        """Give every runner its full time anew."""
        self._heartbeats.start_over(time.monotonic())
        self._silent = frozenset()

    async def run(self) -> None:
        """Read every 2 s until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        now = time.monotonic()
        counts: dict[str, int] = {}
        runners: set[str] = set()
        for pool in {*self._cache.pools, *self._cache.pools_with_jobs()}:
            names = {pod.name for pod in self._cache.pods_of(pool) if pod.running}
            names |= self._cache.jobs_of(pool).by_runner.keys()
            if not names:
                continue
            records = await self._index.records(pool, sorted(names))
            if records is None:
                self._heartbeats.start_over(now)
                break
            runners |= names
            counts |= {name: record.heartbeat for name, record in records.items()}
            leaving = {name for name, record in records.items() if record.draining}
            self._on_draining(pool, leaving)
        else:
            self._heartbeats.note(runners, counts, now)
        silent = self._heartbeats.silent(now)
        changed, self._silent = silent ^ self._silent, silent
        for name in changed:
            self._on_change(name)
