"""The condition Waiting: how often it is written, and which jobs have a stale one."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from wherry_core.resources.names import JobReason
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.jobs.policies.waiting import given_reason
from wherry_operator.pools.situation import why_jobs_wait
from wherry_operator.reconciler import WorkQueue
from wherry_operator.repair.queue_index import QueueIndex

SLOT_SECONDS: Final = 0.2
"""Pause between two first explanations, and between two updates: ten writes a second in all."""
SAME_JOB_SECONDS: Final = 60.0
"""Shortest time between two explanations of one job."""
UNUSED_SECONDS: Final = 60.0
"""Seconds after which a moment that a job has not used is dropped: the job may be deleted."""
CHECK_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 5.0
"""How long a new reason of a pool must hold: most of its jobs may find a runner meanwhile."""
STALE_AT_ONCE: Final = 200
"""Jobs with a stale reason that are requeued per check, so that other decisions come first."""


class Slots:
    """Assigns moments to jobs, one after the other with a pause between them.

    Times are of a monotonic clock, in seconds.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._next = float("-inf")
        self._taken: OrderedDict[str, float] = OrderedDict()

    def reserve(self, job: str, now: float) -> float:
        """Return the moment of ``job``, the same one until it is released or long past."""
        while self._taken and now - next(iter(self._taken.values())) > UNUSED_SECONDS:
            self._taken.popitem(last=False)
        if job not in self._taken:
            self._taken[job] = max(now, self._next)
            self._next = self._taken[job] + self._pause
        return self._taken[job]

    def release(self, job: str) -> None:
        """Drop the moment of ``job``."""
        self._taken.pop(job, None)


@dataclass
class ExplanationBudget:
    """Bounds the writes of the condition Waiting that are not part of another write.

    At most ten a second over all jobs, half of them updates, and one per job and minute. It is
    kept in memory only: after a restart a job may be explained again too soon.
    """

    _first: Slots = field(default_factory=lambda: Slots(SLOT_SECONDS))
    _updates: Slots = field(default_factory=lambda: Slots(SLOT_SECONDS))
    _written: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def seconds_until_allowed(self, job: str, now: float, *, first: bool) -> float:
        """Return the seconds until ``job`` may be explained; 0 when it may be now."""
        while self._written and now - next(iter(self._written.values())) >= SAME_JOB_SECONDS:
            self._written.popitem(last=False)
        if job in self._written:
            return self._written[job] + SAME_JOB_SECONDS - now
        slots = self._first if first else self._updates
        return max(0.0, slots.reserve(job, now) - now)

    def written(self, job: str, now: float) -> None:
        """Record that ``job`` was explained."""
        self.release(job)
        self._written[job] = now
        self._written.move_to_end(job)

    def release(self, job: str) -> None:
        """Give back what was reserved for a job that no longer needs an explanation."""
        self._first.release(job)
        self._updates.release(job)


class StaleExplanations:
    """Requeues jobs whose condition Waiting gives a reason that no longer holds.

    It compares the reasons of the pools once a second, and those of the jobs only after a change.
    """

    def __init__(self, cache: ClusterCache, index: QueueIndex, jobs: WorkQueue) -> None:
        self._cache = cache
        self._index = index
        self._jobs = jobs
        self._redis_down_since: float | None = None
        self._reasons: dict[str, str | None] = {}
        self._settled_at: dict[str, float] = {}
        self._suspects: OrderedDict[str, None] = OrderedDict()
        self.redis_unavailable = False
        """True once Redis has not answered for some seconds: a single lost answer stops no job."""

    async def run(self) -> None:
        """Check once a second until cancelled."""
        self._redis_down_since, self.redis_unavailable = None, False
        while True:
            self.check(time.monotonic())
            await asyncio.sleep(CHECK_SECONDS)

    def check(self, now: float) -> None:
        """Requeue some of the jobs whose reason has become stale."""
        self._check_redis(now)
        pools = self._cache.pools_with_jobs()
        for pool in pools:
            reason = self._reason(pool)
            if pool in self._reasons and reason != self._reasons[pool]:
                self._settled_at.setdefault(pool, now + SETTLE_SECONDS)
            self._reasons[pool] = reason
        for gone in self._reasons.keys() - pools:
            del self._reasons[gone]
        for pool in [each for each, due in self._settled_at.items() if due <= now]:
            del self._settled_at[pool]
            self._suspects.update(dict.fromkeys(self._cache.jobs_of(pool).queued))
        for _ in range(min(STALE_AT_ONCE, len(self._suspects))):
            job, _ = self._suspects.popitem(last=False)
            if self._is_stale(job):
                self._jobs.add(job)

    def _check_redis(self, now: float) -> None:
        if self._index.up:
            self._redis_down_since = None
        elif self._redis_down_since is None:
            self._redis_down_since = now
        since = self._redis_down_since
        self.redis_unavailable = since is not None and now - since >= SETTLE_SECONDS

    def _reason(self, pool: str) -> str | None:
        if self.redis_unavailable:
            return JobReason.REDIS_UNAVAILABLE
        view = self._cache.pools.get(pool)
        return why_jobs_wait(view.pool).reason if view else None

    def _is_stale(self, job: str) -> bool:
        view = self._cache.jobs.get(job)
        if view is None:
            return False
        given = given_reason(view.job.status)
        return given is not None and given != self._reasons.get(view.pool)
