"""What Redis knows of the runners: which are alive, which leave, and what they work on."""

import asyncio
import logging
import time
from typing import Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import KubernetesError, NotFoundError
from wherry_core.kubernetes.paths import pods_path
from wherry_core.redis.runner_registry import OPERATOR_MARK_REFRESH_SECONDS, RunnerId
from wherry_operator.intake.cache import ClusterCache, Kind
from wherry_operator.reconciler import WorkQueue
from wherry_operator.repair.queue_index import QueueIndex
from wherry_operator.runners.lost_runners import Heartbeats
from wherry_operator.runners.orphaned_attempts import Attempt, Orphans, find_orphans

logger = logging.getLogger(__name__)

READ_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5
"""Pause after a reading that Redis did not answer."""


class RunnerWatch:
    """Reads the runners' records, and requeues the pools and jobs that a change concerns.

    A runner that works on a job which is no longer its own is asked to stop at every reading: the
    operator that had to ask it may have died, or Redis may have been unavailable. A runner whose
    pod is gone is dismissed, because its process may have outlived the pod.
    """

    def __init__(
        self,
        kubernetes: KubernetesClient,
        cache: ClusterCache,
        index: QueueIndex,
        *,
        namespace: str,
        jobs: WorkQueue,
        pools: WorkQueue,
        timeout_seconds: float,
    ) -> None:
        """``namespace`` is that of the runner pods."""
        self._kubernetes = kubernetes
        self._cache = cache
        self._index = index
        self._namespace = namespace
        self._jobs = jobs
        self._pools = pools
        self._heartbeats = Heartbeats(timeout_seconds)
        self._orphans = Orphans()
        self._draining: dict[str, frozenset[str]] = {}
        self._pods: dict[str, frozenset[RunnerId]] = {}
        """The pods of the last reading, by pool."""
        self._without_pod: dict[str, frozenset[RunnerId]] = {}
        """The runners that had no pod at the last reading, by pool."""
        self.unresponsive: frozenset[str] = frozenset()
        """Names of the runners whose heartbeat has stopped."""

    def draining(self, pool: str) -> frozenset[str]:
        """Return the uids of the pods of ``pool`` that were asked to leave."""
        return self._draining.get(pool, frozenset())

    def restart(self) -> None:
        """Start over after an outage of Redis, which may have lost heartbeats and drain marks."""
        self._heartbeats.restart(time.monotonic())
        self.unresponsive = frozenset()
        self._draining.clear()

    async def run(self) -> None:
        """Read every 2 s until cancelled."""
        self._orphans = Orphans()
        while True:
            answered = await self._read()
            await asyncio.sleep(READ_SECONDS if answered else RETRY_SECONDS)

    async def keep_operator_mark(self) -> None:
        """Let all runners see that an operator acts, until cancelled.

        Separate from the readings, which may take longer than the mark's lifetime.
        """
        while True:
            pools = {*self._cache.pools, *self._cache.pools_with_jobs()}
            await self._index.refresh_operator_mark(pools)
            await asyncio.sleep(OPERATOR_MARK_REFRESH_SECONDS)

    async def _read(self) -> bool:
        """Read once; False when Redis did not answer."""
        now = time.monotonic()
        counts: dict[RunnerId, int] = {}
        runners: set[RunnerId] = set()
        begun: list[Attempt] = []
        answered = True
        for pool in {*self._cache.pools, *self._cache.pools_with_jobs()}:
            ids = self._ids(pool)
            records = await self._index.records(pool, ids)
            if records is None:
                self._heartbeats.restart(now)
                answered = False
                break
            runners |= ids
            counts |= {each: record.heartbeat for each, record in records.items()}
            begun += [
                Attempt(pool, each, job) for each, record in records.items() for job in record.jobs
            ]
            draining = frozenset(each.uid for each, record in records.items() if record.draining)
            if draining != self._draining.get(pool, frozenset()):
                self._pools.add(pool)
            self._draining[pool] = draining
            await self._dismiss_without_pod(pool)
            if any(record.earlier_version for record in records.values()):
                await self._index.share_with_earlier_version(pool)
        else:
            self._heartbeats.update(runners, counts, now)
            await self._stop_orphans(begun)
        unresponsive = self._heartbeats.unresponsive(now)
        changed, self.unresponsive = unresponsive ^ self.unresponsive, unresponsive
        for name in changed:
            self._requeue(name)
        return answered

    def _ids(self, pool: str) -> set[RunnerId]:
        """Return the running pods of a pool, and the runners of its claimed jobs without one."""
        pods = self._cache.pods_of(pool)
        ids = {RunnerId(pod.name, pod.uid) for pod in pods if pod.running}
        claimed = (self._cache.jobs.get(key) for key in self._cache.jobs_of(pool).claimed)
        names = {each.name for each in ids}
        for view in claimed:
            if view is not None and view.runner_id and view.runner_id.name not in names:
                ids.add(view.runner_id)
        return ids

    async def _dismiss_without_pod(self, pool: str) -> None:
        """Dismiss the runners of a pool whose pod is gone, when the API server confirms it.

        Those are the pods that have vanished since the last reading, and runners that had no pod
        at two readings: the cache may not have a new pod yet.
        """
        pods = {RunnerId(pod.name, pod.uid) for pod in self._cache.pods_of(pool) if not pod.ended}
        vanished = self._pods.get(pool, frozenset()) - pods
        without_pod = await self._index.living(pool) - pods
        suspects = vanished | (without_pod & self._without_pod.get(pool, frozenset()))
        self._pods[pool], self._without_pod[pool] = frozenset(pods), without_pod
        for runner in suspects:
            if await self._pod_is_gone(runner) and await self._index.dismiss(pool, runner):
                logger.info("the runner %s has no pod any more and is dismissed", runner.name)

    async def _pod_is_gone(self, runner: RunnerId) -> bool:
        try:
            pod = await self._kubernetes.request("GET", pods_path(self._namespace, runner.name))
        except NotFoundError:
            return True
        except KubernetesError:
            return False
        phase = (pod.get("status") or {}).get("phase")
        return bool(pod["metadata"]["uid"] != runner.uid or phase in {"Succeeded", "Failed"})

    def _requeue(self, runner: str) -> None:
        pod = self._cache.pods.get(runner)
        if pod is not None:
            self._pools.add(pod.pool)
        for pool in self._cache.pools_with_jobs():
            for key in self._cache.jobs_of(pool).by_runner.get(runner, ()):
                self._jobs.add(key)

    async def _stop_orphans(self, begun: list[Attempt]) -> None:
        earlier = self._orphans
        self._orphans = find_orphans(
            begun, self._cache.jobs, self._cache.unreadable(Kind.JOB), earlier.doubtful
        )
        for attempt in self._orphans.stop:
            if attempt not in earlier.stop:
                logger.info(
                    "the runner %s still works on it and is asked to stop",
                    attempt.runner.name,
                    extra={"job": attempt.job},
                )
            await self._index.stop(attempt.pool, attempt.runner, attempt.job)
