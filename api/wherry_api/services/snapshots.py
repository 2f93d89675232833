"""The newest snapshot of a job: from Redis, and from the resource where Redis is not enough."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from cachetools import LRUCache, TTLCache

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.services.estimates import Estimates
from wherry_api.services.job_resources import JobResources
from wherry_core.job_snapshot import JobSnapshot, JobStatus, snapshot_of
from wherry_core.redis import job_queue, job_states
from wherry_core.redis.link import RedisLink, RedisUnavailableError
from wherry_core.resources import DownloadJob

log = logging.getLogger(__name__)

EXISTENCE_SECONDS: Final = 10.0
"""Seconds for which the snapshot of an ended job is served without a check that the job exists."""
SILENCE_SECONDS: Final = 30.0
"""A job whose snapshot has not changed for so long is read from the resource."""
FUTURE_SECONDS: Final = 5.0
"""A snapshot from further in the future was made by a clock that cannot be compared."""
RESOURCE_READ_SECONDS: Final = 10.0
"""Pause between two reads of one job's resource."""
MAX_ENTRIES: Final = 10_000

JobKey = tuple[str, str]
"""Namespace and name of a job."""


def may_be_stale(snapshot: JobSnapshot, *, unchanged_seconds: float | None, now: datetime) -> bool:
    """Return whether Redis may have missed updates of a job that has not ended.

    ``unchanged_seconds`` is for how long this process has seen the same snapshot. At first sight
    it is None: then the snapshot's own time decides, which a runner's clock has set.
    """
    if snapshot.terminal:
        return False
    if unchanged_seconds is not None:
        return unchanged_seconds > SILENCE_SECONDS
    age = (now - snapshot.updated_at).total_seconds()
    return not -FUTURE_SECONDS <= age <= SILENCE_SECONDS


def newest(cached: JobSnapshot | None, resource: JobSnapshot) -> JobSnapshot:
    """Return the newer of two snapshots; of two jobs with one name, the one that exists."""
    if cached is None or cached.uid != resource.uid:
        return resource
    return resource if resource.newer_than(cached) else cached


class Snapshots:
    """Reads snapshots for status, streams and redirects."""

    def __init__(self, link: RedisLink, jobs: JobResources, estimates: Estimates) -> None:
        self._link = link
        self._jobs = jobs
        self._estimates = estimates
        self._changed: LRUCache[JobKey, tuple[str, tuple[bool, int, int], float]] = LRUCache(
            MAX_ENTRIES
        )
        """Uid and order of each running job's last snapshot, and when it was first seen."""
        self._read_lately: TTLCache[JobKey, bool] = TTLCache(MAX_ENTRIES, RESOURCE_READ_SECONDS)
        self._exists: TTLCache[JobKey, str] = TTLCache(MAX_ENTRIES, EXISTENCE_SECONDS)
        """Uids of ended jobs whose resource was seen lately."""
        self._checks: dict[JobKey, asyncio.Task[bool]] = {}
        self._marks: set[asyncio.Task[None]] = set()

    async def read(self, namespace: str, name: str, *, confirm: bool = False) -> JobSnapshot:
        """Return the newest snapshot.

        That of an ended job is returned for :data:`EXISTENCE_SECONDS` after its resource was last
        seen, and for longer only while Kubernetes does not answer. ``confirm`` asks Kubernetes
        each time.

        Raises ProblemError: 404 (unknown), 410 (known to have expired), 503 (neither Redis nor
        Kubernetes knows more).
        """
        cached = await self._cached(namespace, name)
        if cached is not None:
            if cached.terminal:
                if await self._resource_exists(cached, confirm=confirm):
                    return self.noted(cached)
            elif not self._must_read_resource(cached):
                return cached
        try:
            job = await self._jobs.get(namespace, name)
        except ProblemError:
            if cached is None:
                raise
            return self.noted(cached)
        if job is None:
            raise await self.gone(namespace, name)
        return self.noted(newest(cached, snapshot_of(job)))

    async def read_resource(self, namespace: str, name: str) -> DownloadJob:
        """Return the resource itself; raises ProblemError 404, 410 or 503."""
        job = await self._jobs.get(namespace, name)
        if job is None:
            raise await self.gone(namespace, name)
        return job

    async def position(self, snapshot: JobSnapshot) -> int | None:
        """Return the job's position in its queue, 1 for the next one; None when not known."""
        if snapshot.status is not JobStatus.QUEUED or snapshot.pool is None:
            return None
        pool, job = snapshot.pool, f"{snapshot.namespace}/{snapshot.name}"
        try:
            before = await self._link.send(lambda redis: job_queue.position(redis, pool, job))
        except RedisUnavailableError:
            return None
        return None if before is None else before + 1

    def noted(self, snapshot: JobSnapshot) -> JobSnapshot:
        """Return ``snapshot``; measure and mark an ended job when it is first seen."""
        if self._estimates.first_sight(snapshot):
            task = asyncio.get_running_loop().create_task(self._mark_ended(snapshot))
            self._marks.add(task)
            task.add_done_callback(self._marks.discard)
        return snapshot

    def created(self, namespace: str, name: str) -> None:
        """Note that a job was created: what was known of an earlier job of its name is void."""
        self._exists.pop((namespace, name), None)

    async def gone(self, namespace: str, name: str) -> ProblemError:
        """Return the answer for a job without a resource: 410 if it is known to have ended.

        Deletes its snapshot in Redis, so that a late update of its runner does not revive it.
        """
        try:
            cached = await self._link.send(lambda redis: job_states.read(redis, namespace, name))
            if cached is not None:
                await self.delete_state(cached)
            ended = await self._link.send(lambda redis: job_states.ended_at(redis, namespace, name))
        except RedisUnavailableError:
            ended = None
        if ended is None:
            return problems.job_not_found(name)
        return ProblemError(
            problems.JOB_EXPIRED,
            f"The job {name} ended at {ended} and has expired with its archive. Submit the request "
            "again.",
        )

    async def delete_state(self, snapshot: JobSnapshot) -> None:
        """Delete the snapshot in Redis of a job whose resource does not exist."""
        log.info("a job was deleted", extra={"job": f"{snapshot.namespace}/{snapshot.name}"})
        await self._link.send(lambda redis: job_states.delete_gone(redis, snapshot))

    async def _cached(self, namespace: str, name: str) -> JobSnapshot | None:
        try:
            return await self._link.send(lambda redis: job_states.read(redis, namespace, name))
        except RedisUnavailableError:
            return None

    def _must_read_resource(self, snapshot: JobSnapshot) -> bool:
        key = (snapshot.namespace, snapshot.name)
        now = asyncio.get_running_loop().time()
        uid, order, changed_at = self._changed.get(key, (None, None, now))
        if (uid, order) != (snapshot.uid, snapshot.order):
            self._changed[key] = (snapshot.uid, snapshot.order, now)
            changed_at = now
        # A change that this process has seen is new, whatever the runner's clock says.
        unchanged = None if uid is None else now - changed_at
        if not may_be_stale(snapshot, unchanged_seconds=unchanged, now=datetime.now(UTC)):
            return False
        if key in self._read_lately:
            return False
        self._read_lately[key] = True
        return True

    async def _resource_exists(self, snapshot: JobSnapshot, *, confirm: bool) -> bool:
        """Return False when the job of an ended snapshot does not exist; True while unknown.

        Clients that ask at the same time share one request to the API server.
        """
        key = (snapshot.namespace, snapshot.name)
        if not confirm and self._exists.get(key) == snapshot.uid:
            return True
        check = self._checks.get(key)
        if check is None:
            check = asyncio.get_running_loop().create_task(self._check_exists(snapshot))
            self._checks[key] = check
            check.add_done_callback(lambda _: self._checks.pop(key, None))
        # Shielded: one client that leaves must not end the check for the others.
        return await asyncio.shield(check)

    async def _check_exists(self, snapshot: JobSnapshot) -> bool:
        key = (snapshot.namespace, snapshot.name)
        try:
            uid = await self._jobs.uid(*key)
        except ProblemError:
            uid = snapshot.uid
        if uid != snapshot.uid:
            self._exists.pop(key, None)
            return False
        self._exists[key] = uid
        return True

    async def _mark_ended(self, snapshot: JobSnapshot) -> None:
        try:
            await self._link.send(lambda redis: job_states.mark_ended(redis, snapshot))
        except RedisUnavailableError:
            job = f"{snapshot.namespace}/{snapshot.name}"
            log.debug("the end of a job could not be marked", extra={"job": job})
