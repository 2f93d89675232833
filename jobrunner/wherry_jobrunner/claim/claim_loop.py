"""Claiming a job that came out of the queue."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Final

from wherry_core.resources import DownloadJob
from wherry_jobrunner import metrics
from wherry_jobrunner.claim.claim_patch import claim_patch, claimed_at, may_claim
from wherry_jobrunner.kubernetes_client import (
    ApiServer,
    ApiServerError,
    ConflictError,
    NotFoundError,
    UnavailableError,
    pauses,
)

log = logging.getLogger(__name__)

TRIES: Final = 3
"""Claims of one job that may fail because somebody else changed it first."""
PATIENCE_SECONDS: Final = 20.0
"""How long an API server is asked that answers reads but takes no claim."""


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
        conflicts = 0
        sent: list[datetime] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pause in pauses():
            job = await api.read_job(namespace, name)
            if any(claimed_at(job, runner, moment) for moment in sent):
                # A claim whose answer was lost had been taken, or is only now.
                result = "claimed"
                return job
            now = datetime.now(UTC)
            if refusal := may_claim(job, now):
                result = refusal.value
                return None
            try:
                claimed = await api.patch_status(
                    namespace, name, claim_patch(job, runner, now), patience_seconds=0
                )
            except ConflictError:
                metrics.CLAIM_CONFLICTS.inc()
                conflicts += 1
                if conflicts == TRIES:
                    return None
                continue
            except UnavailableError:
                sent.append(now)
            else:
                result = "claimed"
                return claimed
            if time.monotonic() + pause > deadline:
                raise UnavailableError("the API server takes no claims")
            await asyncio.sleep(pause)
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
