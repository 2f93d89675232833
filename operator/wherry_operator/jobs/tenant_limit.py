"""How many jobs of one tenant may be in the queue or run at the same time."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from wherry_operator.intake.job_view import JobView

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

Order = tuple[int, datetime, str]


class TenantLimit:
    """Holds back the jobs of tenants that have enough in work, and lets them follow in order.

    A job is in work from when it enters the queue until it ends or pauses. Kept in memory only:
    after a restart the jobs that are in work come first, for they are claimed already.
    """

    def __init__(self, limit: int, release: Callable[[str], None]) -> None:
        self._limit = limit
        self._release = release
        self._in_work: dict[str, set[str]] = {}
        self._held: dict[str, list[Order]] = {}
        self._held_jobs: set[str] = set()

    def holds(self, view: JobView) -> bool:
        """Return whether the job must wait outside the queue."""
        return self._limit > 0 and view.key in self._held_jobs

    def held(self, keys: set[str]) -> int:
        """Return how many of ``keys`` are held back."""
        return len(self._held_jobs & keys) if self._held_jobs else 0

    def update(self, view: JobView, *, wants_work: bool) -> None:
        """Take in how a job stands: waiting for or in work, or not."""
        if self._limit == 0:
            return
        tenant, key = view.job.metadata.namespace, view.key
        in_work = self._in_work.setdefault(tenant, set())
        if not wants_work:
            self._held_jobs.discard(key)
            if key in in_work:
                in_work.discard(key)
                self._let_next(tenant)
            if not in_work and not self._held.get(tenant):
                self._in_work.pop(tenant, None)
            return
        if key in in_work or key in self._held_jobs:
            if view.claimed_by is not None and key in self._held_jobs:
                self._held_jobs.discard(key)
                in_work.add(key)
            return
        if view.claimed_by is not None or len(in_work) < self._limit:
            in_work.add(key)
            return
        self._held_jobs.add(key)
        since = view.job.status.queued_time or view.job.metadata.creation_timestamp or LONG_AGO
        heapq.heappush(self._held.setdefault(tenant, []), (-view.job.spec.priority, since, key))

    def _let_next(self, tenant: str) -> None:
        waiting = self._held.get(tenant, [])
        in_work = self._in_work[tenant]
        while waiting and len(in_work) < self._limit:
            _, _, key = heapq.heappop(waiting)
            if key in self._held_jobs:
                self._held_jobs.discard(key)
                in_work.add(key)
                self._release(key)
        if not waiting:
            self._held.pop(tenant, None)
