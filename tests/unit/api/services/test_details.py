"""The details of a job."""

from typing import Any

from wherry_api.services.details import details_of
from wherry_core.resources import DownloadJob


def job(labels: dict[str, str] | None = None, **status: Any) -> DownloadJob:
    return DownloadJob.model_validate(
        {
            "metadata": {"name": "0c5b1a44-9f0e", "namespace": "t", "labels": labels or {}},
            "spec": {"fileIDs": ["1", "2"], "pool": "default"},
            "status": status,
        }
    )


def test_a_new_job_has_no_attempts() -> None:
    details = details_of(job())
    assert details.model_dump() == {
        "jobId": "0c5b1a44-9f0e",
        "archiveName": "download-0c5b1a44.zip",
        "skippedFiles": 0,
        "attempt": 0,
        "failures": [],
        "retryOf": None,
    }


def test_failures_and_skipped_files_are_shown() -> None:
    failure = {"attempt": 1, "reason": "RunnerLost", "time": "2030-01-01T00:00:00Z"}
    details = details_of(
        job(
            {"wherry.dev/retry-of": "older"},
            attempt=2,
            files={"total": 2, "completed": 1, "skipped": 1},
            failures=[{**failure, "message": "Gone.", "infrastructure": True}],
        )
    )
    assert details.retryOf == "older"
    assert details.skippedFiles == 1
    assert details.attempt == 2
    assert details.failures[0].model_dump() == {
        **failure,
        "message": "Gone.",
        "infrastructure": True,
    }


def test_a_completed_job_is_named_by_its_result() -> None:
    archive = {"bucket": "b", "key": "files/70000", "name": "a.fits", "size": 3}
    assert details_of(job(phase="Completed", archive=archive)).archiveName == "a.fits"
