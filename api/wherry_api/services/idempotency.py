"""Idempotent requests: the same key with the same body names the same job."""

import uuid
from typing import Final

from wherry_api.services.job_requests import JobRequest
from wherry_core.resources import DownloadJob, DownloadJobSpec
from wherry_core.resources.names import REQUEST_DIGEST_ANNOTATION

NAMES: Final = uuid.UUID("f6ad9f5c-6b5e-5c39-9a4f-6d3c64ac2f3b")
"""Name space (RFC 9562, version 5) of the names of jobs with an idempotency key."""
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
