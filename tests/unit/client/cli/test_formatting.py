"""Numbers, times and job states as text."""

from datetime import timedelta

import pytest

from tests.unit.client.statuses import NOW, status
from wherry_client.cli.formatting import (
    RateMeter,
    ago,
    count,
    duration,
    headline,
    needs_line,
    plain,
    rate_text,
)
from wherry_client.models import JobState, JobStatus


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (7200, "2 h"),
        (7260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_ago_has_one_unit() -> None:
    assert ago(NOW, NOW + timedelta(seconds=3)) == "3 s ago"
    assert ago(NOW, NOW + timedelta(minutes=3, seconds=9)) == "3 min ago"
    assert ago(NOW, NOW + timedelta(days=2, hours=5)) == "2 d ago"


def test_count() -> None:
    assert [count(n, "file") for n in (1, 2, 10_000)] == ["1 file", "2 files", "10,000 files"]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (status(JobState.QUEUED), "queued: 3 files"),
        (status(JobState.QUEUED, queue_position=2), "queued, number 2 in the queue: 3 files"),
        (status(progress=42, completed_files=1), "processing: 42%, 1 of 3 files"),
        (
            status(JobState.COMPLETED, completed_files=1, size=3_145_870),
            "completed: 1 of 3 files, 3.1 MB",
        ),
        (
            status(JobState.COMPLETED, completed_files=3, size=3_145_870),
            "completed: 3 files, 3.1 MB",
        ),
        (status(JobState.FAILED, error="No."), "failed: No."),
    ],
)
def test_headline(job: JobStatus, expected: str) -> None:
    assert headline(job) == expected


@pytest.mark.parametrize(
    ("job", "shown", "seconds", "expected"),
    [
        (status(), None, 0, True),
        (status(), status(JobState.QUEUED), 0, True),
        (status(JobState.QUEUED), status(JobState.QUEUED, queue_position=1), 0, True),
        (status(JobState.QUEUED), status(JobState.QUEUED), 99, False),
        (status(progress=19), status(progress=11), 1, False),
        (status(progress=20), status(progress=19), 1, True),
        (status(progress=19), status(progress=11), 30, True),
        (status(progress=19), status(progress=19), 30, False),
    ],
)
def test_a_log_gets_a_line_when_something_changes(
    job: JobStatus, shown: JobStatus | None, seconds: float, expected: bool
) -> None:
    assert needs_line(job, shown, seconds) is expected


def test_rate_and_time_left_cover_the_last_30_seconds() -> None:
    meter = RateMeter()
    assert meter.rate(0) is None
    meter.add(0, status(total_files=1000))
    assert meter.seconds_left(0.5) is None
    meter.add(10, status(progress=10, completed_files=100, total_files=1000))
    assert (meter.rate(10), meter.seconds_left(10)) == (10, 90)
    for at in range(20, 101, 10):
        meter.add(at, status(progress=11, completed_files=105, total_files=1000))
    assert meter.rate(100) is None
    meter.add(101, status(progress=0, completed_files=0))
    assert meter.rate(101) is None


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(None, ""), (12.4, "12 files/s"), (0.05, "3 files/min"), (0.002, "7 files/h")],
)
def test_rate_text(rate: float | None, expected: str) -> None:
    assert rate_text(rate) == expected


def test_plain_removes_control_characters() -> None:
    assert plain("\x1b[31m\r\nx") == " [31m  x"
