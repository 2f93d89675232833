import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from wherry_core.job_snapshot import (
    CANCELLED_MESSAGE,
    DELETED_MESSAGE,
    JobSnapshot,
    JobStatus,
    deleted,
    snapshot_of,
)
from wherry_core.resources import DownloadJob

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
CREATED = "2026-01-01T11:00:00Z"


def job(**status: Any) -> DownloadJob:
    return DownloadJob.model_validate(
        {
            "metadata": {
                "name": "3f2a",
                "namespace": "team-a",
                "uid": "u1",
                "creationTimestamp": CREATED,
            },
            "spec": {"fileIDs": ["1", "2", "2"]},
            "status": status,
        }
    )


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (None, JobStatus.QUEUED),
        ("Queued", JobStatus.QUEUED),
        ("Processing", JobStatus.PROCESSING),
        ("Completed", JobStatus.COMPLETED),
        ("Failed", JobStatus.FAILED),
        ("Cancelled", JobStatus.FAILED),
    ],
)
def test_the_phase_becomes_the_status(phase: str | None, expected: JobStatus) -> None:
    assert snapshot_of(job(phase=phase), NOW).status is expected


def test_duplicate_ids_count_once_until_the_runner_has_counted() -> None:
    assert snapshot_of(job(), NOW).total_files == 2
    assert snapshot_of(job(files={"total": 7}), NOW).total_files == 7


def test_a_completed_job_has_the_location_of_its_archive() -> None:
    snapshot = snapshot_of(
        job(
            phase="Completed",
            attempt=2,
            step=9,
            completionTime="2026-01-01T11:30:00Z",
            files={"total": 2, "completed": 2},
            archive={"bucket": "b-archives", "key": "a/k", "name": "x.zip", "size": 12},
        ),
        NOW,
    )
    assert snapshot.archive is not None
    assert (snapshot.archive.bucket, snapshot.archive.key) == ("b-archives", "a/k")
    assert (snapshot.size, snapshot.progress, snapshot.terminal) == (12, 100, True)
    assert snapshot.updated_at == snapshot.completed_at


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Cancelled"}, CANCELLED_MESSAGE),
        ({"phase": "Failed"}, "The job failed."),
        (
            {
                "phase": "Failed",
                "failures": [
                    {"attempt": 1, "reason": "R", "message": "old", "time": CREATED},
                    {"attempt": 2, "reason": "R", "message": "new", "time": CREATED},
                ],
            },
            "new",
        ),
        (
            {
                "phase": "Failed",
                "conditions": [
                    {
                        "type": "Failed",
                        "status": "True",
                        "reason": "QueueTimeout",
                        "message": "waited",
                        "lastTransitionTime": CREATED,
                    }
                ],
            },
            "waited",
        ),
        ({"phase": "Processing"}, None),
    ],
)
def test_why_a_job_failed_or_was_cancelled(status: dict[str, Any], expected: str | None) -> None:
    assert snapshot_of(job(**status), NOW).error == expected


def test_later_attempts_and_steps_are_newer_and_a_terminal_one_is_newest() -> None:
    def at(phase: str, attempt: int, step: int) -> JobSnapshot:
        return snapshot_of(job(phase=phase, attempt=attempt, step=step), NOW)

    ordered = [
        at("Queued", 1, 0),
        at("Processing", 1, 1),
        at("Processing", 1, 2),
        at("Queued", 2, 2),
        at("Processing", 2, 1),
        at("Failed", 1, 0),
    ]
    for older, newer in itertools.pairwise(ordered):
        assert newer.newer_than(older)
        assert not older.newer_than(newer)
    assert not ordered[0].newer_than(ordered[0])
    assert ordered[0].newer_than(None)


def test_a_snapshot_survives_serialization() -> None:
    snapshot = snapshot_of(job(phase="Processing", attempt=1, step=3), NOW)
    assert JobSnapshot.model_validate_json(snapshot.model_dump_json(by_alias=True)) == snapshot


def test_a_deleted_job_ends_for_its_subscribers() -> None:
    running = snapshot_of(job(phase="Processing", attempt=2, step=7), NOW)
    gone = deleted(running)
    assert gone.newer_than(running)
    assert (gone.terminal, gone.error, gone.uid) == (True, DELETED_MESSAGE, running.uid)
