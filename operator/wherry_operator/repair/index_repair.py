"""Comparing the index in Redis with what it should be, and repairing it."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from wherry_core.redis import job_queue, loss_marker
from wherry_core.resources import Phase
from wherry_operator import metrics
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.redis_link import AWAY, RedisLink
from wherry_operator.repair.queue_index import QueueIndex

logger = logging.getLogger(__name__)

COMPARE_SECONDS: Final = 2.0
RECENT: Final = timedelta(minutes=10)
"""Jobs that ended within this time are published again to a Redis that lost writes."""
TICK_PATIENCE_SECONDS: Final = 15.0
BATCH: Final = 50
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Differences:
    """Queue entries that were missing, and such as no job stands for, in one comparison."""

    missing: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)

    def lasting(self, earlier: "Differences") -> "Differences":
        """Return what was different before already: a job that is just popped is not lost."""
        return Differences(self.missing & earlier.missing, self.extra & earlier.extra)

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra)


class IndexRepair:
    """Finds a Redis that is back or lost writes, and single entries that are missing or strange."""

    def __init__(self, link: RedisLink, index: QueueIndex, cache: ClusterCache) -> None:
        self._link = link
        self._index = index
        self._cache = cache
        self._differences: dict[str, Differences] = {}
        self._marker = ""
        self.on_recovery: list[Callable[[], None]] = []
        """Called whenever Redis answers again, or turned out to have lost writes."""

    async def run(self) -> None:
        """Compare every 2 s, and repair; at once when Redis is back."""
        while True:
            self._link.lost.clear()
            try:
                async with asyncio.timeout(TICK_PATIENCE_SECONDS):
                    await self._tick()
            except AWAY as error:
                self._link.went_down(error)
                await asyncio.sleep(0.5)
                continue
            try:
                # Not wait_for, which swallows a cancel now and then before Python 3.12.
                async with asyncio.timeout(COMPARE_SECONDS):
                    await self._link.lost.wait()
            except TimeoutError:
                continue

    async def _tick(self) -> None:
        lost_writes = await self._lost_writes()
        if not self._link.up or lost_writes:
            reason = "lost_writes" if self._link.up or not self._marker else "reconnected"
            self._link.up = True
            await self._rebuild(reason)
            return
        for pool in self._pools():
            await self._compare(pool)

    async def _lost_writes(self) -> bool:
        """Change the marker, and return whether the one that was there is not our last one."""
        marker = f"{time.time():.3f}-{secrets.token_hex(8)}"
        before = await self._link.send("mark", lambda redis: loss_marker.change(redis, marker))
        lost, self._marker = before != {self._marker}, marker
        return lost

    def _pools(self) -> Iterable[str]:
        return {*self._index.pools(), *self._cache.pools, *self._differences}

    async def _rebuild(self, reason: str) -> None:
        started = time.monotonic()
        metrics.REDIS_RESYNCS.labels(reason=reason).inc()
        repaired = 0
        for pool in self._pools():
            self._differences.pop(pool, None)
            repaired += await self._repair(pool, await self._differ(pool))
        published = await self._publish_active()
        await self._index.forget_late()
        for tell in self.on_recovery:
            tell()
        logger.info(
            "rebuilt the index in Redis (%s): %d queue entries repaired, %d states published, "
            "%.1f s",
            reason,
            repaired,
            published,
            time.monotonic() - started,
        )

    async def _publish_active(self) -> int:
        recent = datetime.now(UTC) - RECENT
        views = [
            view
            for view in self._cache.jobs.values()
            if view.job.status.phase is not None
            and (
                not view.job.ended
                or (view.job.status.completion_time and view.job.status.completion_time > recent)
            )
        ]
        for start in range(0, len(views), BATCH):
            batch = views[start : start + BATCH]
            living = [view for view in batch if view.key in self._cache.jobs]
            await asyncio.gather(*(self._index.publish_again(view) for view in living))
        return len(views)

    async def _compare(self, pool: str) -> None:
        earlier = self._differences.pop(pool, Differences())
        there = await job_queue.length(self._link.redis, pool)
        if not earlier and there == self._index.depth(pool):
            return
        found = await self._differ(pool)
        if found:
            self._differences[pool] = found
        await self._repair(pool, found.lasting(earlier))

    async def _differ(self, pool: str) -> Differences:
        there = await job_queue.members(self._link.redis, pool)
        wanted = self._index.waiting(pool)
        return Differences(missing=set(wanted - there), extra=set(there - wanted))

    async def _repair(self, pool: str, differences: Differences) -> int:
        gone = [job for job in differences.extra if not self._may_wait(job)]
        if gone:
            metrics.REDIS_REPAIRS.labels(change="removed").inc(len(gone))
            await self._link.send("remove", lambda redis: job_queue.remove(redis, pool, gone))
        missing = [job for job in differences.missing if job in self._cache.jobs]
        missing.sort(key=self._since)
        added = sum([await self._index.put_again(job) for job in missing])
        metrics.REDIS_REPAIRS.labels(change="added").inc(added)
        return len(gone) + added

    def _since(self, job: str) -> tuple[datetime, str]:
        return self._cache.jobs[job].job.status.queued_time or LONG_AGO, job

    def _may_wait(self, job: str) -> bool:
        """Return whether a queue entry belongs to a job that will be put there any moment."""
        if self._index.place_of(job) is not None:
            return True
        view = self._cache.jobs.get(job)
        if view is None:
            return False
        status = view.job.status
        return status.phase is None or (
            status.phase is Phase.QUEUED
            and not view.job.spec.suspend
            and status.next_attempt_time is None
        )
