"""Apply stream events to a job status."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.client.statuses import NOW, status
from wherry_client.errors import UnexpectedAnswerError
from wherry_client.event_stream import ServerEvent
from wherry_client.job_events import apply, has_changed, is_ambiguous
from wherry_client.models import JobState, JobStatus

LATER = NOW + timedelta(seconds=5)


def event(name: str, **data: Any) -> ServerEvent:
    return ServerEvent(name, json.dumps(data), "1-1")


def progress(percent: int, files: int) -> ServerEvent:
    return event("progress", progress=percent, completedFiles=files, totalFiles=3)


def test_connected_replaces_the_whole_status() -> None:
    reported = status(JobState.QUEUED, queue_position=2)
    assert apply(None, event("connected", **reported.to_wire()), LATER) == reported
    assert apply(status(progress=9), event("connected", **reported.to_wire()), LATER) == reported


def test_progress_clears_what_the_event_does_not_carry() -> None:
    before = status(JobState.QUEUED, queue_position=2, estimated_seconds=6)
    assert apply(before, progress(40, 1), LATER) == status(
        JobState.PROCESSING, progress=40, completed_files=1, updated_at=LATER
    )


def test_completed_and_failed_end_the_job() -> None:
    done = apply(status(), event("completed", downloadUrl="/v1/download/x", size=7), LATER)
    assert done is not None
    assert (done.state, done.progress, done.size) == (JobState.COMPLETED, 100, 7)
    failed = apply(status(), event("failed", error="No such file."), LATER)
    assert failed is not None
    assert (failed.state, failed.error, failed.ended) == (JobState.FAILED, "No such file.", True)
    assert apply(done, progress(10, 0), LATER) == done


@pytest.mark.parametrize("name", ["heartbeat", "message", "something-new"])
def test_other_events_change_nothing(name: str) -> None:
    assert apply(status(), event(name), LATER) == status()
    assert apply(None, event(name), LATER) is None


@pytest.mark.parametrize(
    "bad",
    [
        event("progress", progress=1),
        event("failed"),
        event("completed", size=1),
        ServerEvent("progress", "<html>", ""),
        ServerEvent("progress", "[]", ""),
        event("connected", jobId="x"),
    ],
)
def test_malformed_events_raise(bad: ServerEvent) -> None:
    with pytest.raises(UnexpectedAnswerError):
        apply(status(), bad, LATER)


@pytest.mark.parametrize(
    ("before", "what", "expected"),
    [
        (None, progress(0, 0), False),
        (status(JobState.QUEUED), progress(0, 0), True),
        (status(JobState.QUEUED), progress(1, 0), False),
        (status(progress=0), progress(0, 0), False),
        (status(progress=50), progress(0, 0), True),
        (status(JobState.QUEUED), event("heartbeat"), False),
    ],
)
def test_zero_progress_is_ambiguous(
    before: JobStatus | None, what: ServerEvent, expected: bool
) -> None:
    assert is_ambiguous(before, what) is expected


def test_a_new_time_alone_is_not_a_change() -> None:
    assert has_changed(status(), None)
    assert not has_changed(status(updated_at=LATER), status())
    assert has_changed(status(progress=1), status())
