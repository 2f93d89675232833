"""The JSON patches by which the owner of a claim changes a job; all fail once it is not the owner.

A failed ``test`` (RFC 6902, section 4.6) makes the API server refuse the whole patch with 422. The
patches test what fences the claim off, and not the resourceVersion: a job that somebody else
changes ten times a second can still be completed. They add to lists instead of replacing them.
"""

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
from wherry_core.resources.names import JobCondition
from wherry_jobrunner.claim.claim_patch import Claim
from wherry_jobrunner.progress.progress import Progress

Operation = dict[str, Any]

COMPLETE_REASON: Final = "ArchiveStored"
LONGEST_REASON: Final = 128
LONGEST_MESSAGE: Final = 1024


def owner_tests(claim: Claim) -> list[Operation]:
    """Return the tests that hold as long as ``claim`` owns the job."""
    tests = [
        _test("/metadata/uid", claim.uid),
        _test("/status/attempt", claim.attempt),
        _test("/status/runner", claim.runner),
        _test("/status/phase", Phase.PROCESSING.value),
    ]
    if claim.runner_uid is not None:
        tests.append(_test("/status/runnerUID", claim.runner_uid))
    return tests


def progress_patch(claim: Claim, step: int, progress: Progress) -> list[Operation]:
    """Return the patch that records the progress of the attempt."""
    return [
        *owner_tests(claim),
        *_progress(step, progress.percent, progress.files, progress.bytes),
    ]


def completed_patch(
    claim: Claim, job: DownloadJob, step: int, archive: Archive, progress: Progress, now: datetime
) -> list[Operation]:
    """Return the patch that completes ``job``, the newest version that the runner knows.

    Of that version only the place of the condition Complete counts.
    """
    files = progress.files
    skipped = f" {files.skipped} were skipped; manifest.json says why." if files.skipped else ""
    condition = Condition(
        type=JobCondition.COMPLETE,
        status=ConditionStatus.TRUE,
        reason=COMPLETE_REASON,
        message=f"The archive with {files.completed} files is stored.{skipped}",
        last_transition_time=now,
        observed_generation=job.metadata.generation,
    )
    return [
        *owner_tests(claim),
        _set("/status/phase", Phase.COMPLETED.value),
        _set("/status/archive", archive.to_wire()),
        _set("/status/completionTime", format_time(now)),
        *_condition(job, condition),
        *_progress(step, 100, files, progress.bytes),
    ]


def failed_patch(claim: Claim, job: DownloadJob, failure: Failure) -> list[Operation]:
    """Return the patch that records a failed attempt and returns the job to the operator."""
    record = _append(job, "failures", failure.to_wire())
    if len(job.status.failures) >= MAX_FAILURES:
        record.insert(0, {"op": "remove", "path": "/status/failures/0"})
    return [*owner_tests(claim), *record, *_remove_owner(claim)]


def hand_back_patch(claim: Claim) -> list[Operation]:
    """Return the patch that hands the job back without a failure: no attempt is spent."""
    return [*owner_tests(claim), *_remove_owner(claim)]


def failure_of(
    claim: Claim, reason: str, message: str, now: datetime, *, retryable: bool
) -> Failure:
    """Return the record of a failed attempt, cut to the lengths that the resource allows."""
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


def _condition(job: DownloadJob, condition: Condition) -> list[Operation]:
    """Return the operations that set ``condition`` and leave all others as they are."""
    for index, each in enumerate(job.status.conditions):
        if each.type == condition.type:
            (new,) = set_condition([each], condition)
            place = f"/status/conditions/{index}"
            return [
                _test(f"{place}/type", condition.type),
                {"op": "replace", "path": place, "value": new.to_wire()},
            ]
    return _append(job, "conditions", condition.to_wire())


def _remove_owner(claim: Claim) -> list[Operation]:
    fields = ["runner"] if claim.runner_uid is None else ["runner", "runnerUID"]
    return [{"op": "remove", "path": f"/status/{field}"} for field in fields]


def _test(path: str, value: Any) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _set(path: str, value: Any) -> Operation:
    # "add" replaces an existing value (RFC 6902, section 4.1); "replace" requires one.
    return {"op": "add", "path": path, "value": value}


def _append(job: DownloadJob, field: str, value: Any) -> list[Operation]:
    """Return the operations that append ``value`` to a list of the status."""
    path = f"/status/{field}"
    if field in job.status.model_fields_set:
        return [_set(f"{path}/-", value)]
    # For the API server, a missing field equals null in a test.
    return [_test(path, None), _set(path, [value])]


def _progress(step: int, percent: int, files: FileCounts, size: ByteCounts) -> list[Operation]:
    return [
        _set("/status/step", step),
        _set("/status/progress", percent),
        _set("/status/files", files.to_wire()),
        _set("/status/bytes", size.to_wire()),
    ]
