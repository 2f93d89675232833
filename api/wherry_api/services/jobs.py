"""Create, cancel, retry and list jobs."""

import logging
from typing import Final

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.openapi.schemas import Initiated
from wherry_api.services import idempotency
from wherry_api.services.estimates import Estimates
from wherry_api.services.job_requests import JobRequest
from wherry_api.services.job_resources import JobResources, ListPage
from wherry_api.services.snapshots import Snapshots
from wherry_core import tracing
from wherry_core.job_snapshot import JobStatus, snapshot_of
from wherry_core.redis import runner_registry
from wherry_core.redis.link import RedisLink, RedisUnavailableError
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.base import API_VERSION
from wherry_core.resources.names import REQUEST_DIGEST_ANNOTATION, REQUESTED_BY_LABEL
from wherry_core.resources.retried_job import can_be_retried, retried_job

log = logging.getLogger(__name__)

REQUESTED_BY_API: Final = {REQUESTED_BY_LABEL: "api"}


class Jobs:
    """What clients do with jobs."""

    def __init__(
        self,
        resources: JobResources,
        snapshots: Snapshots,
        link: RedisLink,
        estimates: Estimates,
        pool: str,
    ) -> None:
        self._resources = resources
        self._snapshots = snapshots
        self._link = link
        self._estimates = estimates
        self._pool = pool

    async def initiate(self, tenant: str, request: JobRequest) -> Initiated:
        """Create the job, or return the one that the same request created before.

        Raises ProblemError 422 when the key belongs to another request, and those of
        :meth:`JobResources.create`.
        """
        name = idempotency.job_name(tenant, request.key)
        manifest = {
            "apiVersion": API_VERSION,
            "kind": "DownloadJob",
            "metadata": {
                "name": name,
                "namespace": tenant,
                "labels": REQUESTED_BY_API,
                "annotations": {
                    REQUEST_DIGEST_ANNOTATION: request.digest,
                    # With tracing on, operator and runners continue this request's trace.
                    **tracing.annotations(),
                },
            },
            "spec": request.spec(self._pool),
        }
        existing = await idempotency.create_once(self._resources, self._snapshots, manifest)
        if existing is None or request.key is None:
            # A random name that exists is this request's: its first answer was lost on the way.
            return self._initiated(name, JobStatus.QUEUED, request.total_files)
        idempotency.require_same_request(existing, request, self._pool)
        return self._initiated(name, snapshot_of(existing).status, request.total_files)

    async def cancel(self, tenant: str, name: str) -> None:
        """Request the end of a job; a no-op for one that has ended or is being cancelled.

        Also asks the runner to stop, so that an unavailable operator does not delay the end. Raises
        ProblemError 404, 410 or 503.
        """
        job = await self._snapshots.read_resource(tenant, name)
        if job.ended:
            return
        if not job.spec.cancel:
            cancelled = await self._resources.request_cancel(tenant, name)
            if cancelled is None:
                raise await self._snapshots.gone(tenant, name)
            job = cancelled
        await self._stop_runner(job)

    async def _stop_runner(self, job: DownloadJob) -> None:
        status = job.status
        if status.phase is not Phase.PROCESSING or status.runner is None:
            return
        pool, runner = job.spec.pool, RunnerId(status.runner, status.runner_uid or "")
        try:
            await self._link.send(lambda redis: runner_registry.stop(redis, pool, runner, job.key))
        except RedisUnavailableError:
            # The operator stops the runner, or the runner itself when it next reads the job.
            log.warning("a runner could not be asked to stop", extra={"job": job.key})

    async def retry(self, tenant: str, name: str) -> Initiated:
        """Create a new job from a failed or cancelled one, or return the one of an earlier retry.

        Raises ProblemError 404, 409 (it has not failed), 410 or 503, and those of
        :meth:`JobResources.create`.
        """
        old = await self._snapshots.read_resource(tenant, name)
        if not can_be_retried(old):
            status = snapshot_of(old).status
            raise ProblemError(
                problems.JOB_NOT_ENDED,
                f"The job {name} is {status}. Only a failed or cancelled job can be retried.",
                jobStatus=status,
            )
        manifest = retried_job(
            old.metadata, old.spec, labels=REQUESTED_BY_API, annotations=tracing.annotations()
        )
        existing = await idempotency.create_once(self._resources, self._snapshots, manifest)
        return self._initiated(
            manifest["metadata"]["name"],
            snapshot_of(existing).status if existing else JobStatus.QUEUED,
            len(set(old.spec.file_ids)),
        )

    async def list(
        self,
        tenant: str,
        *,
        limit: int,
        cursor: str | None,
        status: JobStatus | None,
        dead_letter: bool | None,
    ) -> ListPage:
        """Return one page of the tenant's jobs; raises ProblemError 410, 422 or 503."""
        return await self._resources.list(
            tenant, limit=limit, cursor=cursor, status=status, dead_letter=dead_letter
        )

    def _initiated(self, name: str, status: JobStatus, files: int) -> Initiated:
        return Initiated(
            jobId=name,
            status=status,
            totalFileIds=files,
            estimatedTimeSeconds=self._estimates.seconds(files),
        )
