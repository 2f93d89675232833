"""Creating, cancelling, retrying and listing jobs."""

from typing import Any

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import JOBS_CREATED
from wherry_api.openapi.schemas import Initiated
from wherry_api.services.estimates import Estimates
from wherry_api.services.job_requests import JobRequest, job_name, retry_name
from wherry_api.services.job_resources import REQUEST_DIGEST, RETRY_OF, JobResources, ListPage
from wherry_api.services.snapshots import Snapshots
from wherry_core.job_snapshot import JobStatus, snapshot_of
from wherry_core.resources import DownloadJob, DownloadJobSpec, Phase

RETRYABLE_PHASES = frozenset({Phase.FAILED, Phase.CANCELLED})


class Jobs:
    """What clients do with jobs."""

    def __init__(
        self, resources: JobResources, snapshots: Snapshots, estimates: Estimates, pool: str
    ) -> None:
        self._resources = resources
        self._snapshots = snapshots
        self._estimates = estimates
        self._pool = pool

    async def initiate(self, tenant: str, request: JobRequest) -> Initiated:
        """Create the job, or find the one that the same request created before.

        Raises ProblemError 422 when the key belongs to another request.
        """
        name = job_name(tenant, request.key)
        created = await self._resources.create(
            tenant,
            name,
            _spec_of(request, self._pool),
            labels={},
            annotations={REQUEST_DIGEST: request.digest},
        )
        if created:
            JOBS_CREATED.labels(tenant).inc()
            return self._initiated(name, JobStatus.QUEUED, request.total_files)
        if request.key is None:
            # The name is random, so the job of that name is this one: the answer to the first
            # try was lost on the way and the request was sent again.
            return self._initiated(name, JobStatus.QUEUED, request.total_files)
        existing = await self._snapshots.read_resource(tenant, name)
        if not same_request(existing, request, self._pool):
            raise ProblemError(
                problems.KEY_REUSED,
                f"The key {request.key!r} was used for other files or options. Use a new key for "
                "a new request.",
            )
        return self._initiated(name, snapshot_of(existing).status, request.total_files)

    async def cancel(self, tenant: str, name: str) -> None:
        """Ask for the end of a job; nothing happens to one that has ended or is asked already.

        Raises ProblemError 404, 410 or 503.
        """
        job = await self._snapshots.read_resource(tenant, name)
        if job.ended or job.spec.cancel:
            return
        if not await self._resources.request_cancel(tenant, name):
            raise await self._snapshots.gone(tenant, name)

    async def retry(self, tenant: str, name: str) -> Initiated:
        """Create a new job from a failed or cancelled one; asked twice, it is the same new job.

        Raises ProblemError 404, 409 (it has not failed), 410 or 503.
        """
        old = await self._snapshots.read_resource(tenant, name)
        if old.status.phase not in RETRYABLE_PHASES:
            status = snapshot_of(old).status
            raise ProblemError(
                problems.JOB_NOT_ENDED,
                f"The job {name} is {status}: only a failed or cancelled job can be retried.",
                jobStatus=status,
            )
        new = retry_name(tenant, name, old.metadata.uid)
        files = len(set(old.spec.file_ids))
        created = await self._resources.create(
            tenant,
            new,
            retry_spec(old.spec),
            labels={RETRY_OF: name},
            annotations={},
        )
        if created:
            JOBS_CREATED.labels(tenant).inc()
            return self._initiated(new, JobStatus.QUEUED, files)
        existing = await self._snapshots.read_resource(tenant, new)
        return self._initiated(new, snapshot_of(existing).status, files)

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


def _spec_of(request: JobRequest, pool: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "fileIDs": request.file_ids,
        "onMissing": request.on_missing.value,
        "pool": pool,
    }
    if request.archive_name is not None:
        spec["archiveName"] = request.archive_name
    return spec


def same_request(job: DownloadJob, request: JobRequest, pool: str) -> bool:
    """Return whether ``job`` was created by the same request.

    The digest is kept beside the job, so that an admin who changes the default pool does not
    make a repeated request look like another one. A job made by hand is compared by its spec.
    """
    digest = job.metadata.annotations.get(REQUEST_DIGEST)
    if digest is not None:
        return digest == request.digest
    wanted = DownloadJobSpec.model_validate(_spec_of(request, pool))
    immutable = ("file_ids", "archive_name", "on_missing", "pool")
    return all(getattr(job.spec, name) == getattr(wanted, name) for name in immutable)


def retry_spec(spec: DownloadJobSpec) -> dict[str, Any]:
    """Return the spec of a retry: all that was asked for, neither suspended nor cancelled."""
    wire = spec.to_wire()
    wire.pop("cancel", None)
    wire.pop("suspend", None)
    return wire
