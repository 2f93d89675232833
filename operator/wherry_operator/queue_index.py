"""The index in Redis: written as decisions come, compared and repaired against the resources."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from redis.exceptions import RedisError

from wherry_core.job_snapshot import snapshot_of
from wherry_core.redis import job_queue, job_states, keys, runner_registry
from wherry_core.redis.client import Redis
from wherry_core.resources import Phase
from wherry_operator import fault_points, metrics
from wherry_operator.cache import ClusterCache
from wherry_operator.job_view import JobView

logger = logging.getLogger(__name__)

COMPARE_SECONDS: Final = 2.0
RECENT: Final = timedelta(minutes=10)
"""Jobs that ended within this time are published again to a Redis that lost writes."""
TICK_PATIENCE_SECONDS: Final = 15.0
BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class Place:
    """What was put into the queue for a job."""

    pool: str
    priority: int
    attempt: int


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


class QueueIndex:
    """Puts jobs into the queue and takes them out; knows what should be in it.

    While Redis does not answer, nothing is sent: everything is repaired once it is back.
    """

    def __init__(self, redis: Redis, cache: ClusterCache, *, state_ttl_seconds: int) -> None:
        self._redis = redis
        self._cache = cache
        self._state_ttl = state_ttl_seconds
        self._places: dict[str, Place] = {}
        self._by_pool: dict[str, set[str]] = {}
        self._differences: dict[str, Differences] = {}
        self._marker = ""
        self._wake = asyncio.Event()
        self.up = False
        self.on_recovery: list[Callable[[], None]] = []
        """Called whenever Redis answers again, or turned out to have lost writes."""

    def place_of(self, job: str) -> Place | None:
        """Return what was put into the queue for ``job`` (``namespace/name``)."""
        return self._places.get(job)

    def depth(self, pool: str) -> int:
        """Return how many jobs should be in the queue of ``pool``."""
        return len(self._by_pool.get(pool, ()))

    def left_queue(self, job: str) -> bool:
        """Note that ``job`` no longer waits, because it was claimed or ended."""
        place = self._places.pop(job, None)
        if place is None:
            return False
        members = self._by_pool[place.pool]
        members.discard(job)
        if not members:
            del self._by_pool[place.pool]
        return True

    async def put(self, view: JobView) -> None:
        """Have a waiting job in the queue, with its present priority."""
        place = Place(view.pool, view.job.spec.priority, view.job.status.attempt)
        known = self._places.get(view.key)
        if known == place:
            return
        self._places[view.key] = place
        self._by_pool.setdefault(place.pool, set()).add(view.key)
        if not self.up:
            return
        try:
            if known is not None and known.priority != place.priority:
                await job_queue.remove(self._redis, known.pool, [view.key])
            await self._enqueue(view.key, place)
        except RedisError as error:
            self._went_down(error)

    async def _enqueue(self, job: str, place: Place) -> None:
        fault_points.reach("before-redis-enqueue")
        await job_queue.enqueue(self._redis, place.pool, job, place.priority)
        fault_points.reach("after-redis-enqueue")

    async def _publish(self, view: JobView) -> None:
        fault_points.reach("before-redis-publish")
        await job_states.publish(self._redis, snapshot_of(view.job), self._state_ttl)
        fault_points.reach("after-redis-publish")

    async def take_out(self, job: str, place: Place) -> None:
        """Have a job out of the queue that it was put into."""
        self.left_queue(job)
        if not self.up:
            return
        try:
            await job_queue.remove(self._redis, place.pool, [job])
        except RedisError as error:
            self._went_down(error)

    async def stop(self, pool: str, runner: str, job: str) -> None:
        """Ask ``runner`` to stop working on ``job``; without Redis the fenced write tells it."""
        if not self.up:
            return
        try:
            await runner_registry.stop(self._redis, pool, runner, job)
        except RedisError as error:
            self._went_down(error)

    async def publish(self, view: JobView) -> None:
        """Publish the snapshot that the resource tells."""
        if not self.up:
            return
        try:
            await self._publish(view)
        except RedisError as error:
            self._went_down(error)

    async def forget(self, view: JobView) -> None:
        """Remove all traces of a deleted job."""
        if (place := self.place_of(view.key)) is not None:
            await self.take_out(view.key, place)
        if not self.up:
            return
        try:
            await job_states.forget(
                self._redis, view.job.metadata.namespace, [view.job.metadata.name]
            )
        except RedisError as error:
            self._went_down(error)

    async def forget_runner(self, pool: str, runner: str) -> None:
        """Remove what Redis knows of an earlier runner of this name, such as its drain mark."""
        if not self.up:
            return
        try:
            await runner_registry.forget(self._redis, pool, runner)
        except RedisError as error:
            self._went_down(error)

    async def drain(self, pool: str, runner: str) -> bool:
        """Ask an idle runner to leave; False when it has begun a job or Redis is away."""
        if not self.up:
            return False
        try:
            return await runner_registry.drain(self._redis, pool, runner)
        except RedisError as error:
            self._went_down(error)
            return False

    async def retire(self, pool: str, runner: str) -> bool:
        """Ask a busy runner to take no more jobs; False when Redis is away."""
        if not self.up:
            return False
        try:
            await runner_registry.retire(self._redis, pool, runner)
        except RedisError as error:
            self._went_down(error)
            return False
        return True

    async def records(
        self, pool: str, runners: list[str]
    ) -> dict[str, runner_registry.RunnerRecord] | None:
        """Return what Redis knows of runners, or None when it does not answer."""
        if not self.up:
            return None
        try:
            return await runner_registry.runner_records(self._redis, pool, runners)
        except RedisError as error:
            self._went_down(error)
            return None

    def _went_down(self, error: Exception) -> None:
        if self.up:
            logger.warning("Redis does not answer, going on without it: %s", error)
            metrics.FAULTS.labels(kind="redis").inc()
        self.up = False
        self._wake.set()

    async def run(self) -> None:
        """Compare every 2 s, and repair; at once when Redis is back."""
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(TICK_PATIENCE_SECONDS):
                    await self._tick()
            except (RedisError, OSError, TimeoutError) as error:
                self._went_down(error)
                await asyncio.sleep(0.5)
                continue
            try:
                # Not wait_for, which swallows a cancel now and then before Python 3.12.
                async with asyncio.timeout(COMPARE_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _tick(self) -> None:
        lost_writes = await self._lost_writes()
        if not self.up or lost_writes:
            reason = "lost_writes" if self.up or not self._marker else "reconnected"
            self.up = True
            await self._rebuild(reason)
            return
        for pool in self._pools():
            await self._compare(pool)

    async def _lost_writes(self) -> bool:
        """Change the marker, and return whether the one that was there is not our last one."""
        marker = f"{time.time():.3f}-{secrets.token_hex(8)}"
        before = await self._redis.set(keys.operator_marker(), marker, get=True)
        lost, self._marker = before != self._marker, marker
        return lost

    def _pools(self) -> Iterable[str]:
        return set(self._by_pool) | set(self._cache.pools) | set(self._differences)

    async def _rebuild(self, reason: str) -> None:
        started = time.monotonic()
        metrics.REDIS_RESYNCS.labels(reason=reason).inc()
        repaired = 0
        for pool in self._pools():
            self._differences.pop(pool, None)
            repaired += await self._repair(pool, await self._differ(pool))
        published = await self._publish_active()
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
            await asyncio.gather(*(self._publish(view) for view in views[start : start + BATCH]))
        return len(views)

    async def _compare(self, pool: str) -> None:
        earlier = self._differences.pop(pool, Differences())
        if not earlier and await job_queue.length(self._redis, pool) == self.depth(pool):
            return
        found = await self._differ(pool)
        if found:
            self._differences[pool] = found
        await self._repair(pool, found.lasting(earlier))

    async def _differ(self, pool: str) -> Differences:
        there = await job_queue.members(self._redis, pool)
        wanted = self._by_pool.get(pool, set())
        return Differences(missing=wanted - there, extra=there - wanted)

    async def _repair(self, pool: str, differences: Differences) -> int:
        gone = [job for job in differences.extra if not self._may_wait(job)]
        if gone:
            metrics.REDIS_REPAIRS.labels(change="removed").inc(len(gone))
            await job_queue.remove(self._redis, pool, gone)
        missing = [
            (place, self._cache.jobs[job].job.status.queued_time, job)
            for job in differences.missing
            if (place := self._places.get(job)) and job in self._cache.jobs
        ]
        oldest = datetime.min.replace(tzinfo=UTC)
        missing.sort(key=lambda each: (each[1] or oldest, each[2]))
        for place, _, job in missing:
            await self._enqueue(job, place)
        metrics.REDIS_REPAIRS.labels(change="added").inc(len(missing))
        return len(gone) + len(missing)

    def _may_wait(self, job: str) -> bool:
        """Return whether a queue entry belongs to a job that will be put there any moment."""
        view = self._cache.jobs.get(job)
        if job in self._places or view is None:
            return job in self._places
        status = view.job.status
        return status.phase is None or (
            status.phase is Phase.QUEUED
            and not view.job.spec.suspend
            and status.next_attempt_time is None
        )
