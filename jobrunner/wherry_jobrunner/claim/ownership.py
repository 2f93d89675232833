"""Who owns a job: what a runner learns from the job about its own claim."""

from enum import StrEnum

from wherry_core.archive_keys import archive_folder
from wherry_core.resources import DownloadJob, Failure, Phase
from wherry_core.settings import StoreSettings
from wherry_jobrunner.claim.claim_patch import Claim


class Standing(StrEnum):
    """The state of a claim."""

    OURS = "ours"
    SUSPENDED = "suspended"
    """Ours, and to be handed back."""
    CANCELLED = "cancelled"
    DELETED = "deleted"
    FENCED = "fenced"
    """No longer ours: the job has another owner, or none."""


def owns(job: DownloadJob, claim: Claim) -> bool:
    """Return whether ``claim`` may still write to ``job``: what the patches test on the server."""
    return (
        job.metadata.uid == claim.uid
        and job.status.phase is Phase.PROCESSING
        and job.status.attempt == claim.attempt
        and job.status.runner == claim.runner
        and (claim.runner_uid is None or job.status.runner_uid == claim.runner_uid)
    )


def standing(job: DownloadJob | None, claim: Claim) -> Standing:
    """Return the state of ``claim``, given the job as it is now (None: it does not exist)."""
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
    """Return whether this very claim completed ``job``: the answer to the patch was lost."""
    status = job.status
    return (
        job.metadata.uid == claim.uid
        and status.phase is Phase.COMPLETED
        and status.attempt == claim.attempt
        and status.archive is not None
        and status.archive.key == archive_key
    )


def shows_failure(job: DownloadJob, claim: Claim, failure: Failure) -> bool:
    """Return whether ``job`` records this very failure: the answer to the patch was lost."""
    return job.metadata.uid == claim.uid and any(
        each.attempt == failure.attempt
        and each.runner == failure.runner
        and each.reason == failure.reason
        for each in job.status.failures
    )


def shows_hand_back(job: DownloadJob, claim: Claim) -> bool:
    """Return whether ``job`` has no owner or is in a later attempt, as after a hand-back by us."""
    if job.metadata.uid != claim.uid:
        return False
    if job.status.attempt == claim.attempt:
        return job.status.phase is Phase.PROCESSING and job.status.runner is None
    return job.status.attempt > claim.attempt


def attempt_folder(settings: StoreSettings, claim: Claim) -> str:
    """Return the key prefix under which only this attempt writes."""
    return f"{archive_folder(settings, claim.namespace, claim.uid)}{claim.attempt}/"


def may_remove(job: DownloadJob | None, claim: Claim, folder: str) -> bool:
    """Return whether the objects in the attempt's ``folder`` belong to no one any more.

    False when the job's result is one of them.
    """
    if job is None or job.metadata.uid != claim.uid:
        return True
    archive = job.status.archive
    return archive is None or not archive.key.startswith(folder)
