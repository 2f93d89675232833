"""Announces completions: the operator's Event, metrics and clean-up for a job that a runner ended.

Level-triggered: whether a completion must be announced follows from the resource, also when the
job completed while no operator was running. The Event's name is derived from the job's uid, so it
is created only once, even after restarts and takeovers.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import KubernetesError
from wherry_core.kubernetes.paths import events_path
from wherry_core.resources import Phase
from wherry_core.resources.names import OPERATOR_COMPONENT
from wherry_operator import metrics
from wherry_operator.event_recorder import Event, EventRecorder, Regarding
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs import traces as job_traces
from wherry_operator.leadership import Leadership
from wherry_operator.reconciler import WorkQueue
from wherry_operator.repair.archive_store import ArchiveStore
from wherry_operator.repair.queue_index import QueueIndex

logger = logging.getLogger(__name__)

REASON: Final = "Completed"
MARGIN: Final = timedelta(minutes=3)
"""Completions up to this long before the last operator's end may not have been announced: they were
in progress, or clocks differ."""
EVENTS_LIVE: Final = timedelta(minutes=50)
"""Age up to which the Event of a completion still exists: API servers keep Events for an hour."""
SPARE: Final = 1_000
"""Number of announced jobs that may be kept in memory although they no longer exist."""


class Completions:
    """Knows which completions have been announced, and announces the others."""

    def __init__(
        self,
        kubernetes: KubernetesClient,
        cache: ClusterCache,
        index: QueueIndex,
        store: ArchiveStore,
        events: EventRecorder,
        leadership: Leadership,
        *,
        jobs: WorkQueue,
    ) -> None:
        self._kubernetes = kubernetes
        self._cache = cache
        self._index = index
        self._store = store
        self._events = events
        self._leadership = leadership
        self._jobs = jobs
        self._announced: set[str] = set()
        """Uids of announced jobs."""
        self._is_known = False
        """True once the completions that other operators announced are known."""

    async def run(self) -> None:
        """Find what the operators before this one have announced; requeue the other jobs.

        What this process announced in an earlier term is kept, because the Events of it may have
        expired.
        """
        self._is_known = False
        before = {view.uid for view in self._completed()}
        acted_until = self._leadership.acted_until
        since = announced_since(acted_until, self._kubernetes.clock.now())
        recent = [view for view in self._completed() if completed_after(view, since)]
        written = await self._events_of(recent)
        completed = self._completed()
        due = [
            view
            for view in completed
            if (completed_after(view, since) or view.uid not in before)
            and event_name(view) not in written
            and view.uid not in self._announced
        ]
        self._announced = {view.uid for view in completed} - {view.uid for view in due}
        self._is_known = True
        for view in due:
            self._jobs.add(view.key)
        if due:
            logger.info("jobs that completed while no operator acted: %d", len(due))

    def _completed(self) -> list[JobView]:
        views = self._cache.jobs.values()
        return [view for view in views if view.job.status.phase is Phase.COMPLETED]

    def pending(self, view: JobView) -> bool:
        """Return whether the completion of a job is still to be announced."""
        return (
            self._is_known
            and view.job.status.phase is Phase.COMPLETED
            and view.uid not in self._announced
        )

    async def announce(self, view: JobView) -> None:
        """Publish a completion, record its Event, count it, and clean up after earlier attempts.

        Raises KubernetesError; the caller retries then.
        """
        await self._index.publish(view)
        metadata, status = view.job.metadata, view.job.status
        if status.attempt > 1:
            await self._store.clean_up(view)
        seconds = _processing_seconds(view)
        size = status.archive.size if status.archive else 0
        is_first = await self._events.record_once(
            event_name(view),
            Regarding("DownloadJob", metadata.namespace, metadata.name, metadata.uid),
            Event(
                REASON,
                f"{status.files.completed} files are in an archive of {size} bytes, "
                f"made in {seconds or 0} s (attempt {status.attempt}).",
            ),
        )
        self._note(view)
        if not is_first:
            return
        if seconds is not None:
            metrics.PROCESSING_SECONDS.observe(seconds)
        metrics.JOBS_ENDED.labels(phase=Phase.COMPLETED.value, reason=REASON).inc()
        metrics.ARCHIVED_BYTES.inc(size)
        metrics.ARCHIVED_FILES.inc(status.files.completed)
        job_traces.trace_job(view, status, self._kubernetes.clock.now())

    def _note(self, view: JobView) -> None:
        """Record that a completion is announced; drop jobs that no longer exist now and then."""
        self._announced.add(view.uid)
        if len(self._announced) > 2 * len(self._cache.jobs) + SPARE:
            self._announced &= {each.uid for each in self._cache.jobs.values()}

    async def _events_of(self, views: Iterable[JobView]) -> frozenset[str]:
        """Return the names of the Events of completions in the namespaces of ``views``.

        Where they may not be listed, the API server still refuses to create one twice.
        """
        names: set[str] = set()
        selector = f"reason={REASON},reportingController={OPERATOR_COMPONENT}"
        for namespace in {view.job.metadata.namespace for view in views}:
            try:
                names |= {
                    str(metadata["name"])
                    async for metadata in self._kubernetes.list_metadata(
                        events_path(namespace), field_selector=selector
                    )
                }
            except KubernetesError as error:
                logger.warning("could not list the Events of %s: %s", namespace, error)
        return frozenset(names)


def event_name(view: JobView) -> str:
    """Return the name of the Event of a job's completion: the same for every operator."""
    name = view.job.metadata.name[:200].rstrip("-.")
    return f"{name}.{view.uid}"


def announced_since(acted_until: datetime | None, now: datetime) -> datetime:
    """Return the time until which an earlier operator is known to have announced completions.

    ``acted_until`` is when that operator last renewed the Lease, None when there is no Lease. The
    margin is only subtracted while Events of that time still exist, because they show what was
    announced.
    """
    if acted_until is None:
        return now - EVENTS_LIVE
    return acted_until - MARGIN if now - acted_until < EVENTS_LIVE - MARGIN else acted_until


def completed_after(view: JobView, since: datetime) -> bool:
    """Return whether a job completed at ``since`` or later."""
    ended = view.job.status.completion_time
    # Kubernetes times have whole seconds.
    return ended is not None and ended >= since.replace(microsecond=0)


def _processing_seconds(view: JobView) -> int | None:
    status = view.job.status
    if status.start_time is None or status.completion_time is None:
        return None
    return int((status.completion_time - status.start_time).total_seconds())
