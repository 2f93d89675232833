"""What comes in from the cluster: into the cache, and as keys to the loops that depend on it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from wherry_core.resources import Phase, RunnerPool
from wherry_operator import metrics
from wherry_operator.intake.cache import ClusterCache, PoolView
from wherry_operator.intake.job_view import JobView, read_job
from wherry_operator.intake.pod_view import PodView, read_pod
from wherry_operator.jobs import traces as job_traces
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.pools.situation import why_jobs_wait
from wherry_operator.reconciler import Reconciler
from wherry_operator.repair.queue_index import QueueIndex

logger = logging.getLogger(__name__)


class ClusterIntake:
    """Takes in what the watches, the sweeps and the answers to own writes bring."""

    def __init__(
        self,
        cache: ClusterCache,
        *,
        namespace: str,
        jobs: Reconciler,
        pools: Reconciler,
        index: QueueIndex,
        tenant_limit: TenantLimit,
        clear_up: Callable[[JobView], Awaitable[None]],
        explain_again: Callable[[str], None],
    ) -> None:
        """``explain_again`` is told the pools whose jobs wait for another reason than before."""
        self._cache = cache
        self._namespace = namespace
        self._jobs = jobs
        self._pools = pools
        self._index = index
        self._tenant_limit = tenant_limit
        self._clear_up = clear_up
        self._explain_again = explain_again
        self._side_tasks: set[asyncio.Task[None]] = set()
        self.completed: set[str] = set()
        """Jobs that were seen to become Completed and have not been announced yet."""

    def take_job(self, raw: dict[str, Any]) -> JobView:
        """Take a job into the cache and have what depends on it looked at.

        Raises pydantic.ValidationError when it is no valid DownloadJob.
        """
        view = read_job(raw)
        news, before = self._cache.put_job(view)
        if news:
            self._job_changed(before, view)
        return self._cache.jobs.get(view.key, view)

    def on_job(self, deleted: bool, raw: dict[str, Any]) -> None:
        """Take in a watch event of a job."""
        metadata = raw["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}"
        if deleted:
            self.drop_job(key, metadata["uid"])
            return
        try:
            self.take_job(raw)
        except ValidationError as error:
            metrics.FAULTS.labels(kind="unreadable").inc()
            logger.error("this job cannot be read, it is left alone: %s", error, extra={"job": key})

    def drop_job(self, key: str, uid: str) -> None:
        """Forget a job that is gone, and what lies in Redis and in the store for it."""
        view = self._cache.drop_job(key, uid)
        if view is None:
            return
        self._tenant_limit.update(view, wants_work=False)
        self._jobs.forget(key)
        self._pools.add(view.pool)
        self.completed.discard(key)
        task = asyncio.get_running_loop().create_task(self._clear_up_guarded(view))
        self._side_tasks.add(task)
        task.add_done_callback(self._side_tasks.discard)

    def take_pool(self, deleted: bool, raw: dict[str, Any]) -> None:
        """Take in a pool."""
        metadata = raw["metadata"]
        if metadata["namespace"] != self._namespace:
            return
        name = metadata["name"]
        if deleted:
            self.drop_pool(name, metadata["uid"])
            return
        view = PoolView(RunnerPool.model_validate(raw))
        news, before = self._cache.put_pool(view)
        if news:
            self._pools.add(name)
            if before is None:
                self._look_at_waiting(name)
            elif why_jobs_wait(before.pool).reason != why_jobs_wait(view.pool).reason:
                self._explain_again(name)

    def drop_pool(self, name: str, uid: str) -> None:
        """Forget a pool that is gone."""
        if self._cache.drop_pool(name, uid) is not None:
            self._pools.add(name)
            self._pools.forget(name)
            self._look_at_waiting(name)

    def take_pod(self, deleted: bool, raw: dict[str, Any]) -> None:
        """Take in a runner pod."""
        view = read_pod(raw)
        if deleted:
            self.drop_pod(view.name, view.uid)
            return
        news, _ = self._cache.put_pod(view)
        if news:
            self._pod_changed(view, judge_jobs=view.ended)

    def drop_pod(self, name: str, uid: str) -> None:
        """Forget a pod that is gone."""
        view = self._cache.drop_pod(name, uid)
        if view is not None:
            self._pod_changed(view, judge_jobs=True)

    def look_at_runner(self, name: str) -> None:
        """Have a runner whose heartbeat stopped, or came back, and its jobs looked at."""
        pod = self._cache.pods.get(name)
        if pod is not None:
            self._pools.add(pod.pool)
        for pool in self._cache.pools_with_jobs():
            for key in self._cache.jobs_of(pool).by_runner.get(name, ()):
                self._jobs.add(key)

    def look_at_everything(self) -> None:
        """Have all jobs and pools looked at."""
        for key in self._cache.jobs:
            self._jobs.add(key)
        for name in {*self._cache.pools, *self._cache.pools_with_jobs()}:
            self._pools.add(name)

    def _pod_changed(self, pod: PodView, *, judge_jobs: bool) -> None:
        self._pools.add(pod.pool)
        if judge_jobs:
            for key in self._cache.jobs_of(pod.pool).by_runner.get(pod.name, ()):
                self._jobs.add(key)

    def _job_changed(self, before: JobView | None, after: JobView) -> None:
        job = after.job
        waits = job.status.phase in {None, Phase.QUEUED}
        deleted = job.metadata.deletion_timestamp is not None
        if not waits and self._index.left_queue(after.key) and after.claimed_by:
            _measure_wait(after)
            job_traces.trace_wait(after)
        wants_work = not job.ended and not deleted and not (waits and job.spec.suspend)
        self._tenant_limit.update(after, wants_work=wants_work)
        known = before is not None and before.uid == after.uid
        if known and job.status.phase is Phase.COMPLETED and before and not before.job.ended:
            self.completed.add(after.key)
        self._jobs.add(after.key)
        if before is None or _scaling_facts(before) != _scaling_facts(after):
            self._pools.add(after.pool)

    def _look_at_waiting(self, pool: str) -> None:
        for key in self._cache.jobs_of(pool).queued:
            self._jobs.add(key)

    async def _clear_up_guarded(self, view: JobView) -> None:
        try:
            await self._clear_up(view)
        except Exception:
            metrics.FAULTS.labels(kind="clean_up").inc()
            logger.exception(
                "could not clear up after a deleted job; the sweep of the store does it later",
                extra={"job": view.key},
            )


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
