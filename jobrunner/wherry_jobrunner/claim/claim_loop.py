"""The claim loop: tries to claim a job from the queue until the job or the claim is settled."""

import asyncio
import logging
import time
from datetime import datetime
from typing import Final

from wherry_core.kubernetes.errors import (
    ConflictError,
    KubernetesError,
    NotFoundError,
    UnavailableError,
)
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import DownloadJob
from wherry_jobrunner import metrics
from wherry_jobrunner.claim.claim_patch import claim_patch, claimed_at, may_claim
from wherry_jobrunner.kubernetes_client import JobClient, pauses

log = logging.getLogger(__name__)

MAX_CONFLICTS: Final = 3
"""Claims of one job that may be refused because the job changed first."""
PATIENCE_SECONDS: Final = 20.0
"""How long an API server is asked that answers reads but takes no claim."""


class ApiServerUnavailableError(Exception):
    """The API server did not answer: the job is to be returned to the queue."""


def parsed_key(job: str) -> tuple[str, str] | None:
    """Return (namespace, name) of a member of the queue, or None when it names no job."""
    namespace, separator, name = job.partition("/")
    return (namespace, name) if separator and namespace and name and "/" not in name else None


async def claim_job(jobs: JobClient, job_key: str, runner: RunnerId) -> DownloadJob | None:
    """Claim a job and return it as claimed, or None when it cannot be claimed.

    Raises ApiServerUnavailableError.
    """
    result = "lost_race"
    try:
        namespace, name = parsed_key(job_key) or ("", "")
        if not name:
            log.warning("the queue contains %r, which names no job; it is dropped", job_key)
            result = "not_a_job"
            return None
        conflicts = 0
        sent: list[datetime] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pause in pauses():
            job = await jobs.read_job(namespace, name)
            if any(claimed_at(job, runner, moment) for moment in sent):
                # The answer to a claim was lost, or the claim was sent twice.
                result = "claimed"
                return job
            if conflicts == MAX_CONFLICTS:
                return None
            now = jobs.clock.now()
            if refusal := may_claim(job, now):
                result = refusal.value
                return None
            sent.append(now)
            try:
                claimed = await jobs.patch_status(
                    namespace, name, claim_patch(job, runner, now), patience_seconds=0
                )
            except ConflictError:
                metrics.CLAIM_CONFLICTS.inc()
                conflicts += 1
                continue
            except UnavailableError:
                # Whether the claim was taken shows when the job is read again.
                log.debug("the claim was not answered", extra={"job": job_key})
            else:
                result = "claimed"
                return claimed
            if time.monotonic() + pause > deadline:
                raise UnavailableError(0, "Unreachable", "the API server takes no claims")
            await asyncio.sleep(pause)
    except NotFoundError:
        result = "not_found"
    except UnavailableError as error:
        result = "api_server_unavailable"
        raise ApiServerUnavailableError(str(error)) from error
    except KubernetesError as error:
        result = "refused"
        metrics.FAULTS.labels("claiming").inc()
        log.error("the job cannot be claimed: %s", error, extra={"job": job_key})
    finally:
        metrics.CLAIMS.labels(result).inc()
    return None
