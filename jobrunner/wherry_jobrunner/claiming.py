"""Claiming a job that came out of the queue."""

import logging
from datetime import UTC, datetime
from typing import Final

from wherry_core.resources import DownloadJob
from wherry_jobrunner import metrics
from wherry_jobrunner.api_server import (
    ApiServer,
    ApiServerError,
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from wherry_jobrunner.claim import claim_patch, claimed_at, may_claim

log = logging.getLogger(__name__)

TRIES: Final = 3


class ApiServerAwayError(Exception):
    """The API server could not be asked: the job is to go back to the queue."""


def parsed_key(job: str) -> tuple[str, str] | None:
    """Return (namespace, name) of a member of the queue, or None when it is none."""
    namespace, separator, name = job.partition("/")
    return (namespace, name) if separator and namespace and name and "/" not in name else None


async def claim(api: ApiServer, job_key: str, runner: str) -> DownloadJob | None:
    """Claim a job and return it as claimed, or None when it is not to be had.

    Raises ApiServerAwayError.
    """
    result = "lost_race"
    try:
        namespace, name = parsed_key(job_key) or ("", "")
        if not name:
            log.warning("the queue holds %r, which names no job; it is dropped", job_key)
            result = "not_a_job"
            return None
        for _ in range(TRIES):
            job = await api.read_job(namespace, name)
            now = datetime.now(UTC)
            if refusal := may_claim(job, now):
                result = refusal.value
                return None
            claimed = await _try(api, job, runner, now)
            if claimed is not None:
                result = "claimed"
                return claimed
    except NotFoundError:
        result = "not_found"
    except UnavailableError as error:
        result = "api_server_away"
        raise ApiServerAwayError(str(error)) from error
    except ApiServerError as error:
        result = "refused"
        metrics.FAULTS.labels("claiming").inc()
        log.error("the job cannot be claimed: %s", error, extra={"job": job_key})
    finally:
        metrics.CLAIMS.labels(result).inc()
    return None


async def _try(api: ApiServer, job: DownloadJob, runner: str, now: datetime) -> DownloadJob | None:
    """Send the claim once; None when somebody else changed the job first."""
    namespace, name = job.metadata.namespace, job.metadata.name
    try:
        return await api.patch_status(
            namespace, name, claim_patch(job, runner, now), patience_seconds=0
        )
    except ConflictError:
        return None
    except UnavailableError:
        # The claim may have been taken although its answer was lost.
        found = await api.read_job(namespace, name)
        return found if claimed_at(found, runner, now) else None
