"""From events to how a job stands."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.client.statuses import NOW, status
from wherry_client.errors import UnexpectedAnswerError
from wherry_client.event_stream import ServerEvent
from wherry_client.models import JobState, JobStatus
from wherry_client.progress_events import apply, leaves_open, tells_more

LATER = NOW + timedelta(seconds=5)


def event(name: str, **data: Any) -> ServerEvent:
    return ServerEvent(name, json.dumps(data), "1-1")


def progress(percent: int, files: int) -> ServerEvent:
    return event("progress", progress=percent, completedFiles=files, totalFiles=3)


def test_connected_is_the_whole_status() -> None:
    told = status(JobState.QUEUED, queue_position=2)
    assert apply(None, event("connected", **told.to_wire()), LATER) == told
    assert apply(status(progress=9), event("connected", **told.to_wire()), LATER) == told


def test_progress_moves_on_and_what_it_does_not_tell_is_unknown() -> None:
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
def test_an_event_of_another_kind_is_an_error(bad: ServerEvent) -> None:
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
def test_nothing_done_yet_leaves_open_whether_the_job_waits(
    before: JobStatus | None, what: ServerEvent, expected: bool
) -> None:
    assert leaves_open(before, what) is expected


def test_the_time_alone_is_no_news() -> None:
    assert tells_more(status(), None)
    assert not tells_more(status(updated_at=LATER), status())
    assert tells_more(status(progress=1), status())
