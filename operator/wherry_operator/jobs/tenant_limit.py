"""How many jobs of one tenant may be in the queue or run at the same time."""

import heapq
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from wherry_operator.intake.job_view import JobView
from wherry_operator.reconciler import WorkQueue

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

Order = tuple[int, datetime, str]
"""Jobs of a higher priority come first, and older ones before newer ones."""


class TenantLimit:
    """Holds back the jobs of tenants that have reached the limit, and releases them in order.

    A job is active from its entry into the queue until it ends or is suspended. This is kept in
    memory only. After a restart, jobs that are claimed count first, because they run already.
    """

    def __init__(self, limit: int, jobs: WorkQueue) -> None:
        """``limit`` 0 stands for no limit."""
        self._limit = limit
        self._jobs = jobs
        self._active: dict[str, set[str]] = {}
        self._held: dict[str, Order] = {}
        self._heaps: dict[str, list[Order]] = {}
        """By tenant; entries that are not in ``_held`` are outdated."""

    def holds(self, view: JobView) -> bool:
        """Return whether the job must wait outside the queue."""
        return view.key in self._held

    def held_of(self, keys: Iterable[str]) -> set[str]:
        """Return those of ``keys`` that are held back."""
        return self._held.keys() & keys if self._held else set()

    def update(self, view: JobView, *, wants_work: bool) -> None:
        """Record whether a job is to run, is active, or neither."""
        if self._limit == 0:
            return
        tenant, key = view.job.metadata.namespace, view.key
        active = self._active.setdefault(tenant, set())
        if not wants_work:
            self._held.pop(key, None)
            if key in active:
                active.discard(key)
                self._release_next(tenant)
            if not active and tenant not in self._heaps:
                del self._active[tenant]
        elif view.claimed_by is not None:
            self._held.pop(key, None)
            active.add(key)
        elif key in active:
            return
        elif key in self._held or len(active) >= self._limit:
            self._hold(tenant, view)
        else:
            active.add(key)

    def _hold(self, tenant: str, view: JobView) -> None:
        since = view.job.status.queued_time or view.job.metadata.creation_timestamp or LONG_AGO
        order = (-view.job.spec.priority, since, view.key)
        if self._held.get(view.key) != order:
            self._held[view.key] = order
            heapq.heappush(self._heaps.setdefault(tenant, []), order)

    def _release_next(self, tenant: str) -> None:
        waiting = self._heaps.get(tenant, [])
        active = self._active[tenant]
        while waiting and len(active) < self._limit:
            order = heapq.heappop(waiting)
            key = order[2]
            if self._held.get(key) == order:
                del self._held[key]
                active.add(key)
                self._jobs.add(key)
        if not waiting:
            self._heaps.pop(tenant, None)
