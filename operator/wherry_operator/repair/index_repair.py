"""Compares the index in Redis with the resources, and repairs it."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from wherry_core.kubernetes.server_clock import ServerClock
from wherry_core.redis import job_queue, loss_marker
from wherry_core.redis.link import RedisLink, RedisUnavailableError
from wherry_core.resources import Phase
from wherry_operator import metrics
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.repair.queue_index import QueueIndex

logger = logging.getLogger(__name__)

COMPARE_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5
RECENT: Final = timedelta(minutes=10)
"""Jobs that ended within this time are published again to a Redis that lost writes."""
TICK_PATIENCE_SECONDS: Final = 15.0
BATCH: Final = 50
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Differences:
    """Queue entries that one comparison found missing, and those without a job."""

    missing: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)

    def lasting(self, earlier: "Differences") -> "Differences":
        """Return what already differed ``earlier``: a job that was just popped is not lost."""
        return Differences(self.missing & earlier.missing, self.extra & earlier.extra)

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra)


class IndexRepair:
    """Notices when Redis is available again or lost writes, and repairs single queue entries."""

    def __init__(
        self,
        link: RedisLink,
        index: QueueIndex,
        cache: ClusterCache,
        clock: ServerClock,
        *,
        on_recovery: Sequence[Callable[[], None]],
    ) -> None:
        """``on_recovery`` is called when Redis is available again, or has lost writes."""
        self._link = link
        self._index = index
        self._cache = cache
        self._clock = clock
        self._on_recovery = tuple(on_recovery)
        self._differences: dict[str, Differences] = {}
        self._marker = ""

    async def run(self) -> None:
        """Compare every 2 s, and repair; at once when Redis is available again."""
        while True:
            self._link.lost.clear()
            try:
                async with asyncio.timeout(TICK_PATIENCE_SECONDS):
                    await self.compare_all()
            except TimeoutError as error:
                # Several slow commands together: none of them failed by itself.
                self._link.failed(error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except RedisUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                # Not wait_for, which swallows a cancel now and then before Python 3.12.
                async with asyncio.timeout(COMPARE_SECONDS):
                    await self._link.lost.wait()
            except TimeoutError:
                continue

    async def compare_all(self) -> None:
        """Compare every queue once; rebuild the index when Redis is back or lost writes.

        Raises RedisUnavailableError.
        """
        lost_writes = await self._lost_writes()
        if not self._link.up or lost_writes:
            reason = "lost_writes" if self._link.up or not self._marker else "reconnected"
            self._link.recovered()
            await self._rebuild(reason)
            return
        for pool in self._pools():
            await self._compare(pool)

    async def _lost_writes(self) -> bool:
        """Change the marker, and return whether the earlier one is not this replica's last one."""
        marker = f"{time.time():.3f}-{secrets.token_hex(8)}"
        before = await self._link.send(lambda redis: loss_marker.change(redis, marker), name="mark")
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
        for notify in self._on_recovery:
            notify()
        logger.info(
            "rebuilt the index in Redis (%s): %d queue entries repaired, %d states published, "
            "%.1f s",
            reason,
            repaired,
            published,
            time.monotonic() - started,
        )

    async def _publish_active(self) -> int:
        recent = self._clock.now() - RECENT
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
        there = await self._link.send(lambda redis: job_queue.length(redis, pool))
        if not earlier and there == self._index.depth(pool):
            return
        found = await self._differ(pool)
        if found:
            self._differences[pool] = found
        await self._repair(pool, found.lasting(earlier))

    async def _differ(self, pool: str) -> Differences:
        there = await self._link.send(lambda redis: job_queue.members(redis, pool))
        wanted = self._index.waiting(pool)
        return Differences(missing=set(wanted - there), extra=set(there - wanted))

    async def _repair(self, pool: str, differences: Differences) -> int:
        gone = [job for job in differences.extra if not self._may_wait(job)]
        if gone:
            metrics.REDIS_REPAIRS.labels(change="removed").inc(len(gone))
            await self._link.send(lambda redis: job_queue.remove(redis, pool, gone), name="remove")
        for job in differences.missing - self._cache.jobs.keys():
            # Deleted while a decision put it into the queue, or while another replica acted.
            self._index.drop_entry(job)
        missing = [job for job in differences.missing if job in self._cache.jobs]
        missing.sort(key=self._since)
        added = sum([await self._index.put_again(job) for job in missing])
        metrics.REDIS_REPAIRS.labels(change="added").inc(added)
        return len(gone) + added

    def _since(self, job: str) -> tuple[datetime, str]:
        return self._cache.jobs[job].job.status.queued_time or LONG_AGO, job

    def _may_wait(self, job: str) -> bool:
        """Return whether a queue entry belongs to a job that is about to be queued."""
        if self._index.entry_of(job) is not None:
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
