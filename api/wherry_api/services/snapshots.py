"""The newest snapshot of a job: from Redis, and from the resource where Redis is not enough."""

import asyncio
import logging
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Final

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.services.estimates import Estimates
from wherry_api.services.job_resources import JobResources
from wherry_api.services.redis_gate import RedisGate, RedisUnavailableError
from wherry_core.job_snapshot import JobSnapshot, JobStatus, snapshot_of
from wherry_core.redis import job_queue, job_states, keys
from wherry_core.resources import DownloadJob
from wherry_core.settings import LifetimeSettings

log = logging.getLogger(__name__)

SILENCE: Final = timedelta(seconds=30)
"""A running job that Redis has heard nothing of for so long is looked up in the resource."""
RESOURCE_READ_SECONDS: Final = 10.0
"""Pause between two such look-ups of one job."""
MAX_ENTRIES: Final = 10_000
ENDED_JOB_SECONDS: Final = 604_800
"""How long after its own lifetime an ended job is told apart from one that never was."""


def silent(snapshot: JobSnapshot, now: datetime) -> bool:
    """Return whether Redis may have missed something: the job runs, and nothing is heard of it."""
    return not snapshot.terminal and now - snapshot.updated_at > SILENCE


def newest(cached: JobSnapshot | None, resource: JobSnapshot) -> JobSnapshot:
    """Return the newer of two snapshots; of two jobs with one name, the one that exists."""
    if cached is None or cached.uid != resource.uid:
        return resource
    return resource if resource.newer_than(cached) else cached


class Snapshots:
    """Reads snapshots for status, streams and redirects."""

    def __init__(
        self,
        gate: RedisGate,
        jobs: JobResources,
        estimates: Estimates,
        lifetimes: LifetimeSettings,
    ) -> None:
        self._gate = gate
        self._jobs = jobs
        self._estimates = estimates
        self._lifetimes = lifetimes
        self._looked: OrderedDict[str, float] = OrderedDict()
        self._notes: set[asyncio.Task[None]] = set()

    async def read(self, namespace: str, name: str) -> JobSnapshot:
        """Return the newest snapshot.

        Raises ProblemError: 404 (unknown), 410 (known to have expired), 503 (neither Redis nor
        Kubernetes knows more).
        """
        cached = await self._cached(namespace, name)
        if cached and not self._must_read_resource(f"{namespace}/{name}", cached):
            return self.noted(cached)
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
        """Return the job's place in its queue, 1 for the next one, or None when not known."""
        if snapshot.status is not JobStatus.QUEUED or snapshot.pool is None:
            return None
        pool, job = snapshot.pool, f"{snapshot.namespace}/{snapshot.name}"
        try:
            before = await self._gate.run(lambda redis: job_queue.position(redis, pool, job))
        except RedisUnavailableError:
            return None
        return None if before is None else before + 1

    def noted(self, snapshot: JobSnapshot) -> JobSnapshot:
        """Return ``snapshot``; the first sight of an ended job is measured and remembered."""
        if self._estimates.first_sight(snapshot):
            task = asyncio.get_running_loop().create_task(self._remember(snapshot))
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)
        return snapshot

    async def gone(self, namespace: str, name: str) -> ProblemError:
        """Return 410 for a job that is remembered to have ended, else 404."""
        try:
            ended = await self._gate.run(lambda redis: redis.get(keys.ended_job(namespace, name)))
        except RedisUnavailableError:
            ended = None
        if ended is None:
            return problems.job_not_found(name)
        return ProblemError(
            problems.JOB_EXPIRED,
            f"The job {name} ended at {ended!s} and is gone with its archive: ask anew.",
        )

    async def _cached(self, namespace: str, name: str) -> JobSnapshot | None:
        try:
            return await self._gate.run(lambda redis: job_states.read(redis, namespace, name))
        except RedisUnavailableError:
            return None

    def _must_read_resource(self, key: str, snapshot: JobSnapshot) -> bool:
        if not silent(snapshot, datetime.now(UTC)):
            return False
        now = asyncio.get_running_loop().time()
        if now - self._looked.get(key, float("-inf")) < RESOURCE_READ_SECONDS:
            return False
        self._looked[key] = now
        self._looked.move_to_end(key)
        if len(self._looked) > MAX_ENTRIES:
            self._looked.popitem(last=False)
        return True

    async def _remember(self, snapshot: JobSnapshot) -> None:
        key = keys.ended_job(snapshot.namespace, snapshot.name)
        ended = (snapshot.completed_at or snapshot.updated_at).astimezone(UTC)
        seconds = self._lifetimes.completed + ENDED_JOB_SECONDS
        try:
            await self._gate.run(
                lambda redis: redis.set(key, ended.strftime("%Y-%m-%dT%H:%M:%SZ"), ex=seconds)
            )
        except RedisUnavailableError:
            log.debug("the end of a job could not be remembered", extra={"job": key})
