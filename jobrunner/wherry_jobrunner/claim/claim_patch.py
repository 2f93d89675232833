"""The claim: which jobs a runner may take, and the patch by which it takes one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import HOLDING_CONDITIONS, DownloadJob, Phase, settle_conditions
from wherry_core.resources.base import format_time

CLOCK_TOLERANCE: Final = timedelta(seconds=2)
"""How far two readings of the API server's clock may differ: the operator queues a job at the very
second from which it may be claimed."""
FIRST_STEP: Final = 1
CLAIMED_REASON: Final = "Claimed"
CLAIMED_MESSAGE: Final = "A runner has claimed the job."


class Refusal(StrEnum):
    """Why a job that was in the queue must not be claimed."""

    NOT_QUEUED = "not_queued"
    DELETED = "deleted"
    CANCELLED = "cancelled"
    SUSPENDED = "suspended"
    TOO_EARLY = "too_early"


@dataclass(frozen=True)
class Claim:
    """One attempt at one job by one runner: what fences it off from all others."""

    namespace: str
    name: str
    uid: str
    attempt: int
    runner: str
    runner_uid: str | None = None
    """Uid of the runner's pod; None where the cluster's CRD has no field for it yet."""

    @property
    def job(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


def may_claim(job: DownloadJob, now: datetime) -> Refusal | None:
    """Return None when a runner may claim ``job`` at ``now``, otherwise the reason why not."""
    if job.metadata.deletion_timestamp is not None:
        return Refusal.DELETED
    if job.status.phase is not Phase.QUEUED:
        return Refusal.NOT_QUEUED
    if job.spec.cancel:
        return Refusal.CANCELLED
    if job.spec.suspend:
        return Refusal.SUSPENDED
    due = job.status.next_attempt_time
    if due is not None and due > now + CLOCK_TOLERANCE:
        return Refusal.TOO_EARLY
    return None


def claim_patch(job: DownloadJob, runner: RunnerId, now: datetime) -> dict[str, Any]:
    """Return the merge patch that claims ``job``; the API server refuses it if the job changed.

    The same write ends the conditions that say why the job has waited.
    """
    status: dict[str, Any] = {
        "phase": Phase.PROCESSING.value,
        "runner": runner.name,
        "runnerUID": runner.uid or None,
        "attemptStartTime": format_time(now),
        "step": FIRST_STEP,
        "progress": 0,
        "files": {"completed": 0, "skipped": 0},
        "bytes": {"completed": 0},
    }
    if job.status.start_time is None:
        status["startTime"] = format_time(now)
    conditions = settle_conditions(
        job.status.conditions,
        HOLDING_CONDITIONS,
        reason=CLAIMED_REASON,
        message=CLAIMED_MESSAGE,
        now=now,
        generation=job.metadata.generation,
    )
    if conditions != job.status.conditions:
        # A merge patch replaces the whole list; resourceVersion guards that it is the newest one.
        status["conditions"] = [each.to_wire() for each in conditions]
    return {"metadata": {"resourceVersion": job.metadata.resource_version}, "status": status}


def claim_of(job: DownloadJob, runner: RunnerId) -> Claim:
    """Return the claim that ``runner`` holds on a claimed ``job``."""
    return Claim(
        namespace=job.metadata.namespace,
        name=job.metadata.name,
        uid=job.metadata.uid,
        attempt=job.status.attempt,
        runner=runner.name,
        runner_uid=job.status.runner_uid,
    )


def claimed_at(job: DownloadJob, runner: RunnerId, moment: datetime) -> bool:
    """Return whether ``job`` shows the claim that ``runner`` sent at ``moment``.

    It recognizes a claim whose answer was lost.
    """
    status = job.status
    return (
        status.phase is Phase.PROCESSING
        and status.runner == runner.name
        and status.runner_uid in {None, runner.uid}
        and status.attempt_start_time is not None
        and format_time(status.attempt_start_time) == format_time(moment)
    )
