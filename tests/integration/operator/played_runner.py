"""A runner that the test plays by hand: its pod's status, its heartbeats and its writes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from tests.harness.api import JOBS, Api, ApiError, Resource
from tests.harness.waiting import eventually
from wherry_core.redis import job_queue, runner_registry
from wherry_core.redis.client import Redis
from wherry_core.redis.runner_registry import Orders, RunnerId
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.base import format_time

CLAIMS = 3


def now() -> str:
    """Return the present time as the API server takes it."""
    return format_time(datetime.now(UTC))


class PlayedRunner:
    """One runner; each step of its protocol is a method."""

    def __init__(self, api: Api, redis: Redis, namespace: str, pool: str, name: str) -> None:
        self.api, self.redis = api, redis
        self.namespace, self.pool, self.name = namespace, pool, name
        self.uid = ""
        """Uid of its pod; empty until it starts, and for a runner of version 0.1."""
        self.jobs: set[str] = set()
        self.orders = Orders(drain=False, stop=frozenset())

    @property
    def id(self) -> RunnerId:
        """Who it is in Redis."""
        return RunnerId(self.name, self.uid)

    async def pod(self) -> Resource:
        """Wait until the operator has created the pod and return it."""
        found = await eventually(
            f"the pod {self.name}", lambda: self.api.find("pods", self.namespace, self.name)
        )
        assert found is not None
        return found

    async def set_pod(self, phase: str, *, ready: bool = False, **status: Any) -> None:
        """Write the pod's status as a kubelet would."""
        conditions = [{"type": "Ready", "status": str(ready)}]
        await self.patch_pod(phase=phase, conditions=conditions, **status)

    async def patch_pod(self, **status: Any) -> None:
        """Change some of the pod's status."""
        body = {"status": status}
        await self.api.patch("pods", self.namespace, self.name, body, sub="status")

    async def find_no_node(self, message: str) -> None:
        """Have the pod wait for a node, as the scheduler reports it."""
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        await self.patch_pod(conditions=[condition])

    async def start(self) -> None:
        """Wait for the pod and have it run and be ready."""
        self.uid = (await self.pod())["metadata"]["uid"]
        await self.set_pod("Running", ready=True)
        await self.beat()

    async def beat(self) -> Orders:
        """Send one heartbeat and keep the answer."""
        self.orders = await runner_registry.heartbeat(
            self.redis, self.pool, self.id, sorted(self.jobs)
        )
        return self.orders

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Send heartbeats while the context is open."""

        async def beat() -> None:
            while True:
                await self.beat()
                await asyncio.sleep(0.3)

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def pop(self) -> str | None:
        """Take the first job of the queue and begin it; None when there is none to be had."""
        waiting = await job_queue.pop(self.redis, self.pool, 5)
        if waiting is None:
            return None
        if not await runner_registry.begin(self.redis, self.pool, self.id, waiting):
            return None
        self.jobs.add(waiting.job)
        return waiting.job

    async def claim(self, key: str) -> DownloadJob:
        """Claim a job as the protocol says, three times at most. Raises ApiError 409."""
        for _ in range(CLAIMS - 1):
            try:
                return await self._claim(key)
            except ApiError as error:
                if error.status != 409:
                    raise
        return await self._claim(key)

    async def _claim(self, key: str) -> DownloadJob:
        namespace, _, name = key.partition("/")
        job = DownloadJob.model_validate(await self.api.get(JOBS, namespace, name))
        body = {
            "metadata": {"resourceVersion": job.metadata.resource_version},
            "status": {
                "phase": "Processing",
                "runner": self.name,
                **({"runnerUID": self.uid} if self.uid else {}),
                "attemptStartTime": now(),
                "startTime": format_time(job.status.start_time) if job.status.start_time else now(),
                "step": 1,
                "progress": 0,
            },
        }
        return DownloadJob.model_validate(
            await self.api.patch(JOBS, namespace, name, body, sub="status")
        )

    async def take(self) -> DownloadJob:
        """Pop and claim the next job, and drop entries of jobs that are not queued."""
        while True:
            key = await eventually("a job in the queue", self.pop, within=60)
            assert key is not None
            namespace, _, name = key.partition("/")
            found = DownloadJob.model_validate(await self.api.get(JOBS, namespace, name))
            if found.status.phase is Phase.QUEUED:
                return await self.claim(key)
            await self.finish(found)

    async def complete(self, job: DownloadJob) -> None:
        """Complete a claimed job. Raises ApiError 422 when it is no longer this runner's."""
        total = job.status.files.total
        archive = {"bucket": "b", "key": "k", "name": "a.zip", "size": 1, "checksum": "etag:1"}
        await self.write(
            job,
            {"op": "add", "path": "/status/phase", "value": "Completed"},
            {"op": "add", "path": "/status/archive", "value": archive},
            {"op": "add", "path": "/status/completionTime", "value": now()},
            {"op": "add", "path": "/status/progress", "value": 100},
            {
                "op": "add",
                "path": "/status/files",
                "value": {"total": total, "completed": total, "skipped": 0},
            },
        )
        await self.finish(job)

    async def fail(
        self, job: DownloadJob, reason: str = "StoreUnavailable", *, retryable: bool = True
    ) -> None:
        """Report a failed attempt."""
        failure = {
            "attempt": job.status.attempt,
            "reason": reason,
            "message": "The store did not answer.",
            "time": now(),
            "runner": self.name,
            "retryable": retryable,
            "infrastructure": False,
        }
        failures = [each.to_wire() for each in job.status.failures]
        await self.write(
            job,
            {"op": "add", "path": "/status/failures", "value": [*failures, failure]},
            *self._release(),
        )
        await self.finish(job)

    async def hand_back(self, job: DownloadJob) -> None:
        """Hand a job back unfinished."""
        await self.write(job, *self._release())
        await self.finish(job)

    def _release(self) -> list[Resource]:
        paths = ["/status/runner", *(["/status/runnerUID"] if self.uid else [])]
        return [{"op": "remove", "path": path} for path in paths]

    async def finish(self, job: DownloadJob) -> None:
        """Say that this runner no longer works on the job."""
        self.jobs.discard(job.key)
        await runner_registry.finish(self.redis, self.pool, self.id, job.key)

    async def write(self, job: DownloadJob, *operations: Resource) -> None:
        """Write the status of a job that is still this runner's. Raises ApiError 422."""
        tests: list[Resource] = [
            {"op": "test", "path": "/status/attempt", "value": job.status.attempt},
            {"op": "test", "path": "/status/runner", "value": self.name},
            {"op": "test", "path": "/status/phase", "value": "Processing"},
        ]
        if self.uid:
            tests.append({"op": "test", "path": "/status/runnerUID", "value": self.uid})
        where = (JOBS, job.metadata.namespace, job.metadata.name)
        await self.api.patch(*where, [*tests, *operations], sub="status")

    async def leave(self) -> None:
        """End in order, as a runner does that was asked to."""
        await self.set_pod("Succeeded")

    async def gone(self) -> None:
        """Wait until the operator has deleted the pod, as a kubelet lets it go."""

        async def absent() -> bool:
            pod = await self.api.find("pods", self.namespace, self.name)
            if pod is not None and "deletionTimestamp" in pod["metadata"]:
                with contextlib.suppress(ApiError):
                    await self.api.delete("pods", self.namespace, self.name, grace_seconds=0)
            return pod is None

        await eventually(f"the pod {self.name} to be deleted", absent, within=90)
