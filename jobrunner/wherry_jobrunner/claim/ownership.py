"""Whose a job is: what a runner learns from the job about its own claim."""

from enum import StrEnum

from wherry_core.archive_storage import archive_folder
from wherry_core.resources import DownloadJob, Failure, Phase
from wherry_core.settings import StoreSettings
from wherry_jobrunner.claim.claim_patch import Claim


class Standing(StrEnum):
    """How a claim stands."""

    OURS = "ours"
    SUSPENDED = "suspended"
    """Ours, and asked to be handed back."""
    CANCELLED = "cancelled"
    DELETED = "deleted"
    FENCED = "fenced"
    """Somebody else's, or nobody's."""


def owns(job: DownloadJob, claim: Claim) -> bool:
    """Whether ``claim`` may still write to ``job``: what the patches test on the API server."""
    return (
        job.metadata.uid == claim.uid
        and job.status.phase is Phase.PROCESSING
        and job.status.attempt == claim.attempt
        and job.status.runner == claim.runner
    )


def standing(job: DownloadJob | None, claim: Claim) -> Standing:
    """Return how ``claim`` stands, given the job as it is now (None: it does not exist)."""
    if job is None or job.metadata.uid != claim.uid:
        return Standing.DELETED
    if job.metadata.deletion_timestamp is not None:
        return Standing.DELETED
    if job.status.phase is Phase.CANCELLED:
        return Standing.CANCELLED
    if not owns(job, claim):
        return Standing.FENCED
    if job.spec.cancel:
        return Standing.CANCELLED
    if job.spec.suspend:
        return Standing.SUSPENDED
    return Standing.OURS


def shows_completion(job: DownloadJob, claim: Claim, archive_key: str) -> bool:
    """Whether ``job`` was completed by this very claim: the answer to the patch was lost."""
    status = job.status
    return (
        job.metadata.uid == claim.uid
        and status.phase is Phase.COMPLETED
        and status.attempt == claim.attempt
        and status.archive is not None
        and status.archive.key == archive_key
    )


def shows_failure(job: DownloadJob, claim: Claim, failure: Failure) -> bool:
    """Whether ``job`` records this very failure: the answer to the patch was lost."""
    return job.metadata.uid == claim.uid and any(
        each.attempt == failure.attempt
        and each.runner == failure.runner
        and each.reason == failure.reason
        for each in job.status.failures
    )


def shows_hand_back(job: DownloadJob, claim: Claim) -> bool:
    """Whether ``job`` is with nobody or in a later attempt, as after our handing it back."""
    if job.metadata.uid != claim.uid:
        return False
    if job.status.attempt == claim.attempt:
        return job.status.phase is Phase.PROCESSING and job.status.runner is None
    return job.status.attempt > claim.attempt


def attempt_folder(settings: StoreSettings, claim: Claim) -> str:
    """Return the key prefix under which only this attempt writes."""
    return f"{archive_folder(settings, claim.namespace, claim.uid)}{claim.attempt}/"


def may_remove(job: DownloadJob | None, claim: Claim, folder: str) -> bool:
    """Whether the objects in the attempt's ``folder`` belong to nobody any more.

    Not when the job's result lies there.
    """
    if job is None or job.metadata.uid != claim.uid:
        return True
    archive = job.status.archive
    return archive is None or not archive.key.startswith(folder)
