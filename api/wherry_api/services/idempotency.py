"""Idempotent requests: the same key with the same body names the same job."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import JOBS_CREATED
from wherry_api.services.job_requests import JobRequest
from wherry_api.services.job_resources import JobResources
from wherry_api.services.snapshots import Snapshots
from wherry_core.resources import DownloadJob, DownloadJobSpec
from wherry_core.resources.names import REQUEST_DIGEST_ANNOTATION

NAMES: Final = uuid.UUID("f6ad9f5c-6b5e-5c39-9a4f-6d3c64ac2f3b")
"""Name space (RFC 9562, version 5) of the names of jobs with an idempotency key."""
CREATES: Final = 3
"""Attempts to create a job whose namesake expires between the create and the read."""
IMMUTABLE: Final = ("file_ids", "archive_name", "on_missing", "pool")


def job_name(tenant: str, key: str | None) -> str:
    """Return the name of the job: always the same for a tenant's key, random without a key."""
    return str(uuid.uuid4() if key is None else uuid.uuid5(NAMES, f"{tenant}\n{key}"))


def same_request(job: DownloadJob, request: JobRequest, pool: str) -> bool:
    """Return whether ``job`` was created by the same request.

    Compares the digest that is kept with the job, so that another default pool does not make a
    repeated request look different. A job that was created without the API is compared by its spec.
    """
    digest = job.metadata.annotations.get(REQUEST_DIGEST_ANNOTATION)
    if digest is not None:
        return digest == request.digest
    wanted = DownloadJobSpec.model_validate(request.spec(pool))
    return all(getattr(job.spec, name) == getattr(wanted, name) for name in IMMUTABLE)


def require_same_request(job: DownloadJob, request: JobRequest, pool: str) -> None:
    """Raise ProblemError 422 unless ``job`` was created by the same request."""
    if not same_request(job, request, pool):
        raise ProblemError(
            problems.KEY_REUSED,
            f"The idempotency key {request.key!r} was used with other files or options. Use a "
            "new key for a new request.",
        )


async def create_once(
    resources: JobResources, snapshots: Snapshots, manifest: Mapping[str, Any]
) -> DownloadJob | None:
    """Create a job and return None, or return the job of its name that exists.

    A job that expires between the create and the read is created again. Raises the ProblemErrors
    of :meth:`JobResources.create`, and 503 when jobs of that name keep expiring.
    """
    tenant, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    for _ in range(CREATES):
        if await resources.create(manifest):
            JOBS_CREATED.labels(tenant).inc()
            snapshots.created(tenant, name)
            return None
        existing = await resources.get(tenant, name)
        if existing is not None:
            return existing
    raise problems.unavailable(f"The job {name} is being deleted.")
