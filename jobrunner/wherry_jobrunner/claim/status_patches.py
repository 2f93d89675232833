"""The JSON patches by which a claim's owner changes a job; all fail once it is not the owner.

A failed ``test`` (RFC 6902, section 4.6) makes the API server refuse the whole patch with 422.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from wherry_core.resources import (
    Archive,
    ByteCounts,
    Condition,
    ConditionStatus,
    DownloadJob,
    Failure,
    FileCounts,
    Phase,
    set_condition,
)
from wherry_core.resources.base import format_time
from wherry_core.resources.download_job import MAX_FAILURES
from wherry_jobrunner.claim.claim_patch import Claim
from wherry_jobrunner.progress.progress import Figures

Operation = dict[str, Any]

COMPLETE_CONDITION: Final = "Complete"
COMPLETE_REASON: Final = "ArchiveStored"
LONGEST_REASON: Final = 128
LONGEST_MESSAGE: Final = 1024


def owner_tests(claim: Claim) -> list[Operation]:
    """Return the tests that hold as long as ``claim`` owns the job."""
    return [
        _test("/metadata/uid", claim.uid),
        _test("/status/attempt", claim.attempt),
        _test("/status/runner", claim.runner),
        _test("/status/phase", Phase.PROCESSING.value),
    ]


def progress_patch(claim: Claim, step: int, figures: Figures) -> list[Operation]:
    """Return the patch that shows how far the attempt is."""
    return [*owner_tests(claim), *_figures(step, figures.percent, figures.files, figures.bytes)]


def completed_patch(
    claim: Claim, job: DownloadJob, step: int, archive: Archive, figures: Figures, now: datetime
) -> list[Operation]:
    """Return the patch that completes ``job``, the newest version that the runner knows.

    It holds for exactly that version, for it replaces the list of conditions.
    """
    files = figures.files
    skipped = f" {files.skipped} were skipped; manifest.json says why." if files.skipped else ""
    condition = Condition(
        type=COMPLETE_CONDITION,
        status=ConditionStatus.TRUE,
        reason=COMPLETE_REASON,
        message=f"The archive with {files.completed} files is stored.{skipped}",
        last_transition_time=now,
        observed_generation=job.metadata.generation,
    )
    conditions = set_condition(job.status.conditions, condition)
    return [
        *owner_tests(claim),
        _version_test(job),
        _set("/status/phase", Phase.COMPLETED.value),
        _set("/status/archive", archive.to_wire()),
        _set("/status/completionTime", format_time(now)),
        _set("/status/conditions", [each.to_wire() for each in conditions]),
        *_figures(step, 100, files, figures.bytes),
    ]


def failed_patch(claim: Claim, job: DownloadJob, failure: Failure) -> list[Operation]:
    """Return the patch that records a failed attempt and gives the job to the operator."""
    failures: Sequence[Failure] = (*job.status.failures, failure)[-MAX_FAILURES:]
    return [
        *owner_tests(claim),
        _version_test(job),
        _set("/status/failures", [each.to_wire() for each in failures]),
        {"op": "remove", "path": "/status/runner"},
    ]


def hand_back_patch(claim: Claim) -> list[Operation]:
    """Return the patch that hands the job back without a failure: no attempt is spent."""
    return [*owner_tests(claim), {"op": "remove", "path": "/status/runner"}]


def failure_of(
    claim: Claim, reason: str, message: str, now: datetime, *, retryable: bool
) -> Failure:
    """Return the record of a failed attempt, cut to what the resource takes."""
    return Failure(
        attempt=claim.attempt,
        reason=reason[:LONGEST_REASON],
        message=_shortened(message, LONGEST_MESSAGE),
        time=now,
        runner=claim.runner,
        infrastructure=False,
        retryable=retryable,
    )


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _test(path: str, value: Any) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _version_test(job: DownloadJob) -> Operation:
    return _test("/metadata/resourceVersion", job.metadata.resource_version)


def _set(path: str, value: Any) -> Operation:
    # "add" also replaces what is there (RFC 6902, section 4.1); "replace" needs it to be there.
    return {"op": "add", "path": path, "value": value}


def _figures(step: int, percent: int, files: FileCounts, size: ByteCounts) -> list[Operation]:
    return [
        _set("/status/step", step),
        _set("/status/progress", percent),
        _set("/status/files", files.to_wire()),
        _set("/status/bytes", size.to_wire()),
    ]
