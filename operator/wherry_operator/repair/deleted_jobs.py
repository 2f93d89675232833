"""What a deleted job leaves behind: its state and queue entry in Redis, its objects in the store.

Deletions that a watch reports are handled at once. A deletion that no operator saw is found by
comparing the states in Redis with the API server: after taking over, after an outage of Redis,
and every few minutes. A state names the job's uid, so the objects are deleted without waiting for
the age that an orphan must have.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from wherry_core.job_snapshot import JobSnapshot, snapshot_of
from wherry_core.kubernetes.client import METADATA, KubernetesClient
from wherry_core.kubernetes.errors import KubernetesError, NotFoundError
from wherry_core.kubernetes.paths import jobs_path
from wherry_core.redis import job_states
from wherry_core.redis.job_states import StateRef
from wherry_core.redis.link import RedisLink, RedisUnavailableError
from wherry_core.redis.runner_registry import RunnerId
from wherry_operator import metrics
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.job_view import JobView
from wherry_operator.leadership import Leadership
from wherry_operator.reconciler import WorkQueue
from wherry_operator.repair.archive_store import ArchiveStore
from wherry_operator.repair.queue_index import QueueIndex

logger = logging.getLogger(__name__)

SCAN_SECONDS: Final = 300.0
RETRY_SECONDS: Final = 2.0
"""Pause before a scan that could not be finished is repeated."""
CHECKS_AT_ONCE: Final = 16
STORE_SECONDS: Final = 10.0
"""Seconds after which the store counts as unavailable, so that the state goes first."""


@dataclass(frozen=True, slots=True)
class DeletedJob:
    """A job whose resource no longer exists."""

    namespace: str
    name: str
    uid: str
    pool: str = ""
    runner: RunnerId | None = None
    """The runner that works on it, if that is known."""
    last: JobSnapshot | None = None
    """Its newest snapshot; None: the one in Redis."""
    has_objects: bool = True
    """False when no attempt has begun, so that nothing can be in the store."""

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


class DeletedJobs:
    """Deletes everything of deleted jobs, on the replica that acts."""

    def __init__(
        self,
        kubernetes: KubernetesClient,
        cache: ClusterCache,
        link: RedisLink,
        index: QueueIndex,
        store: ArchiveStore,
        leadership: Leadership,
        *,
        tenants: tuple[str, ...] | None,
    ) -> None:
        self._kubernetes = kubernetes
        self._cache = cache
        self._link = link
        self._index = index
        self._store = store
        self._leadership = leadership
        self._tenants = tenants
        self._jobs: dict[str, DeletedJob] = {}
        self._scan_due = asyncio.Event()
        self.queue = WorkQueue("deletion")
        """The uids of deleted jobs."""

    def add(self, view: JobView) -> None:
        """Have everything deleted that a deleted job left behind."""
        metadata = view.job.metadata
        self._add(
            DeletedJob(
                metadata.namespace,
                metadata.name,
                metadata.uid,
                pool=view.pool,
                runner=view.runner_id,
                last=snapshot_of(view.job),
                has_objects=view.job.status.start_time is not None,
            )
        )

    def _add(self, job: DeletedJob) -> None:
        self._jobs[job.uid] = job
        self.queue.add(job.uid)

    async def reconcile(self, uid: str) -> float | None:
        """Delete everything of the job with this uid.

        Raises errors of the store, after which it is retried. A replica that does not act leaves
        the job to the one that does.
        """
        job = self._jobs.get(uid)
        if job is None or not self._leadership.may_act():
            self._jobs.pop(uid, None)
            return None
        if job.runner is not None:
            await self._index.stop(job.pool, job.runner, job.key)
        if job.has_objects:
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    await self._store.delete_job(job.namespace, job.uid)
            except Exception:
                metrics.FAULTS.labels(kind="clean_up").inc()
                await self._delete_records(job)
                raise
        # After the objects, because the state leads the next operator to them.
        await self._delete_records(job)
        self._jobs.pop(uid, None)
        return None

    async def _delete_records(self, job: DeletedJob) -> None:
        last = job.last or await self._index.last_snapshot(job.namespace, job.name, job.uid)
        await self._index.delete(job.namespace, job.name, job.uid, last)

    def scan_soon(self) -> None:
        """Have the states compared at once: Redis may have missed deletions."""
        self._scan_due.set()

    async def run(self) -> None:
        """Compare the states in Redis with the API server every few minutes until cancelled."""
        # The API or a runner may have recorded a deletion before this replica acted. Neither
        # deletes objects from the store.
        recorded = True
        while True:
            self._scan_due.clear()
            pause = SCAN_SECONDS
            try:
                found = await self.scan(recorded=recorded)
            except RedisUnavailableError:
                pause = RETRY_SECONDS
            except KubernetesError as error:
                pause = RETRY_SECONDS
                logger.warning("could not look for deleted jobs: %s", error)
            else:
                recorded = False
                if found:
                    logger.info("deletes what %d deleted jobs may have left", found)
            try:
                # Not wait_for, which swallows a cancel now and then before Python 3.12.
                async with asyncio.timeout(pause):
                    await self._scan_due.wait()
            except TimeoutError:
                continue

    async def scan(self, *, recorded: bool) -> int:
        """Compare all states in Redis with the API server; return how many jobs are gone.

        With ``recorded``, jobs whose deletion Redis knows already are among them. Raises
        RedisUnavailableError and KubernetesError.
        """
        found = 0
        batches = job_states.scan(self._link.redis)
        while True:
            states = await self._link.send(lambda _: anext(batches, None))
            if states is None:
                return found
            suspects = [
                state
                for state in states
                if self._may_be_gone(state) and (recorded or not state.deleted)
            ]
            for state in await self._gone(suspects):
                self._add(DeletedJob(state.namespace, state.name, state.uid))
                found += 1

    def _may_be_gone(self, state: StateRef) -> bool:
        if self._tenants is not None and state.namespace not in self._tenants:
            return False
        view = self._cache.jobs.get(f"{state.namespace}/{state.name}")
        return (view is None or view.uid != state.uid) and state.uid not in self._jobs

    async def _gone(self, suspects: list[StateRef]) -> list[StateRef]:
        """Return those whose resource does not exist, according to the API server itself."""
        at_once = asyncio.Semaphore(CHECKS_AT_ONCE)

        async def is_gone(state: StateRef) -> bool:
            async with at_once:
                return await self._is_gone(state)

        answers = await asyncio.gather(*(is_gone(state) for state in suspects))
        return [state for state, gone in zip(suspects, answers, strict=True) if gone]

    async def _is_gone(self, state: StateRef) -> bool:
        try:
            found = await self._kubernetes.request(
                "GET", jobs_path(state.namespace, state.name), accept=METADATA
            )
        except NotFoundError as error:
            if not error.concerns(state.name):
                # The API server does not serve the resource at the moment.
                raise
            return True
        return bool(found["metadata"]["uid"] != state.uid)
