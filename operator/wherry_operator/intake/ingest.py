"""What comes in from the cluster: into the cache, and as keys into the queues."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from wherry_core.resources import Condition, Phase, RunnerPool
from wherry_operator import metrics
from wherry_operator.intake.cache import ClusterCache, Kind, PoolView, Unreadable
from wherry_operator.intake.job_view import JobView, read_job
from wherry_operator.intake.pod_view import PodView, read_pod
from wherry_operator.intake.unreadable import (
    READABLE,
    UNREADABLE_ERRORS,
    UnreadableObjects,
    describe,
)
from wherry_operator.jobs import traces as job_traces
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.reconciler import WorkQueue
from wherry_operator.repair.deleted_jobs import DeletedJobs
from wherry_operator.repair.queue_index import QueueIndex

logger = logging.getLogger(__name__)


class ClusterIntake:
    """Ingests watch events, objects that a sweep read, and the answers to own writes."""

    def __init__(
        self,
        cache: ClusterCache,
        *,
        namespace: str,
        jobs: WorkQueue,
        pools: WorkQueue,
        index: QueueIndex,
        tenant_limit: TenantLimit,
        deleted_jobs: DeletedJobs,
        unreadable: UnreadableObjects,
    ) -> None:
        self._cache = cache
        self._namespace = namespace
        self._jobs = jobs
        self._pools = pools
        self._index = index
        self._tenant_limit = tenant_limit
        self._deleted_jobs = deleted_jobs
        self._unreadable = unreadable

    def ingest(self, kind: Kind, raw: dict[str, Any], *, deleted: bool = False) -> None:
        """Ingest an object of the cluster, which may be one that cannot be read. Never raises."""
        metadata = raw["metadata"]
        key = key_of(kind, metadata)
        if kind is not Kind.JOB and metadata["namespace"] != self._namespace:
            return
        if deleted:
            self.drop(kind, key, metadata["uid"])
            return
        was_unreadable = self._cache.is_unreadable(kind, key)
        try:
            if kind is Kind.JOB:
                self.take_job(raw)
            elif kind is Kind.POOL:
                self.take_pool(raw)
            else:
                self.take_pod(raw)
        except UNREADABLE_ERRORS as error:
            self._refuse(kind, key, metadata, error)
        else:
            if was_unreadable or _says_unreadable(raw):
                self._unreadable.add(kind, key)

    def drop(self, kind: Kind, key: str, uid: str) -> None:
        """Ingest the deletion of an object."""
        if kind is Kind.JOB:
            self.drop_job(key, uid)
        elif kind is Kind.POOL:
            self.drop_pool(key, uid)
        else:
            self.drop_pod(key, uid)

    def take_job(self, raw: dict[str, Any]) -> JobView:
        """Ingest a job and return its newest view.

        Raises pydantic.ValidationError when it is no valid DownloadJob.
        """
        view = read_job(raw)
        is_news, before = self._cache.put_job(view)
        if is_news:
            if before is not None and before.uid != view.uid:
                # Events of two uids may come in any order: the deletion of the old job may come
                # later and would not find its view.
                self._deleted_jobs.add(before)
            self._job_changed(before, view)
        return self._cache.jobs.get(view.key, view)

    def drop_job(self, key: str, uid: str) -> None:
        """Ingest the deletion of a job, and have everything of it deleted."""
        was_unreadable = self._cache.is_unreadable(Kind.JOB, key)
        view = self._cache.drop_job(key, uid)
        if view is None:
            if was_unreadable:
                self._deleted_jobs.scan_soon()
            return
        self._tenant_limit.update(view, wants_work=False)
        self._jobs.evict(key)
        self._pools.add(view.pool)
        self._deleted_jobs.add(view)

    def take_pool(self, raw: dict[str, Any]) -> None:
        """Ingest a pool. Raises pydantic.ValidationError when it is no valid RunnerPool."""
        view = PoolView(RunnerPool.model_validate(raw))
        name = view.pool.metadata.name
        is_news, before = self._cache.put_pool(view)
        if is_news:
            self._pools.add(name)
            if before is None:
                self._requeue_waiting(name)

    def drop_pool(self, name: str, uid: str) -> None:
        """Ingest the deletion of a pool."""
        if self._cache.drop_pool(name, uid) is not None:
            self._pools.evict(name)
            self._pools.add(name)
            self._requeue_waiting(name)

    def take_pod(self, raw: dict[str, Any]) -> None:
        """Ingest a runner pod."""
        view = read_pod(raw)
        is_news, before = self._cache.put_pod(view)
        if is_news:
            replaced = before is not None and before.uid != view.uid
            self._pod_changed(view, judge_jobs=view.ended or replaced)

    def drop_pod(self, name: str, uid: str) -> None:
        """Ingest the deletion of a pod."""
        view = self._cache.drop_pod(name, uid)
        if view is not None:
            self._pod_changed(view, judge_jobs=True)

    def requeue_everything(self) -> None:
        """Have all jobs and pools reconciled."""
        for key in self._cache.jobs:
            self._jobs.add(key)
        self.requeue_pools()
        for kind in Kind:
            for key in self._cache.unreadable(kind):
                self._unreadable.add(kind, key)
        # Objects that were corrected while no operator acted, so that their condition is stale.
        for key, job in self._cache.jobs.items():
            if _is_marked(job.job.status.conditions):
                self._unreadable.add(Kind.JOB, key)
        for name, pool in self._cache.pools.items():
            if _is_marked(pool.pool.status.conditions):
                self._unreadable.add(Kind.POOL, name)

    def requeue_pools(self) -> None:
        """Have all pools reconciled."""
        for name in {*self._cache.pools, *self._cache.pools_with_jobs()}:
            self._pools.add(name)

    def _refuse(self, kind: Kind, key: str, metadata: Mapping[str, Any], error: Exception) -> None:
        view = self._cache.jobs.get(key) if kind is Kind.JOB else None
        found = Unreadable(metadata["uid"], metadata["resourceVersion"])
        if not self._cache.put_unreadable(kind, key, found):
            return
        metrics.FAULTS.labels(kind="unreadable").inc()
        logger.error(
            "this %s cannot be read and is left alone: %s",
            kind.value,
            describe(error),
            extra={kind.value: key},
        )
        self._unreadable.add(kind, key)
        if view is not None:
            self._index.drop_entry(key)
            self._tenant_limit.update(view, wants_work=False)
            self._pools.add(view.pool)
        elif kind is Kind.POOL:
            self._pools.add(key)
            self._requeue_waiting(key)

    def _pod_changed(self, pod: PodView, *, judge_jobs: bool) -> None:
        self._pools.add(pod.pool)
        if judge_jobs:
            for key in self._cache.jobs_of(pod.pool).by_runner.get(pod.name, ()):
                self._jobs.add(key)

    def _job_changed(self, before: JobView | None, after: JobView) -> None:
        job = after.job
        waits = job.status.phase in {None, Phase.QUEUED}
        deleted = job.metadata.deletion_timestamp is not None
        if not waits and self._index.drop_entry(after.key) and after.claimed_by:
            _measure_wait(after)
            job_traces.trace_wait(after)
        wants_work = not job.ended and not deleted and not (waits and job.spec.suspend)
        self._tenant_limit.update(after, wants_work=wants_work)
        self._jobs.add(after.key)
        if before is None or _scaling_facts(before) != _scaling_facts(after):
            self._pools.add(after.pool)

    def _requeue_waiting(self, pool: str) -> None:
        for key in self._cache.jobs_of(pool).queued:
            self._jobs.add(key)


def key_of(kind: Kind, metadata: Mapping[str, Any]) -> str:
    """Return the cache's key of an object."""
    name = str(metadata["name"])
    return f"{metadata['namespace']}/{name}" if kind is Kind.JOB else name


def _is_marked(conditions: Iterable[Condition]) -> bool:
    """Return whether the condition says that the object cannot be read."""
    return any(each.type == READABLE and each.status == "False" for each in conditions)


def _says_unreadable(raw: Mapping[str, Any]) -> bool:
    """Return whether an earlier release wrote that it cannot read the object."""
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return any(each["type"] == READABLE and each["status"] == "False" for each in conditions)


def _measure_wait(view: JobView) -> None:
    status = view.job.status
    if status.queued_time and status.attempt_start_time:
        seconds = (status.attempt_start_time - status.queued_time).total_seconds()
        metrics.QUEUE_SECONDS.observe(max(0.0, seconds))


def _scaling_facts(view: JobView) -> tuple[object, ...]:
    job = view.job
    return (
        job.status.phase,
        job.status.runner,
        job.status.next_attempt_time,
        job.spec.suspend,
        job.spec.cancel,
        job.metadata.deletion_timestamp,
    )
