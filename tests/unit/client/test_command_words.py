"""What the command line says."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from tests.unit.client.statuses import NOW, status
from wherry_client.cli.following import conclusion, details
from wherry_client.cli.job_views import facts_table, job_line, jobs_table
from wherry_client.cli.words import (
    RateMeter,
    ago,
    count,
    duration,
    headline,
    plain,
    rate_words,
    worth_a_line,
)
from wherry_client.models import JobState, JobStatus


def printed(thing: object, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(thing)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


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


def test_a_server_s_words_do_not_steer_the_terminal() -> None:
    failed = status(JobState.FAILED, error="\x1b[2Jgone\nError: \u202eall")
    assert plain("\x1b[31m\r\nx") == " [31m  x"
    for text in (headline(failed), job_line(failed).split("\t")[-1], str(conclusion(failed))):
        assert not {"\x1b", "\n", "\u202e"} & set(text)
    assert "[bold]" in printed(facts_table(status(JobState.FAILED, error="[bold]x[/bold]")))


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
def test_a_log_gets_a_line_when_there_is_news(
    job: JobStatus, shown: JobStatus | None, seconds: float, expected: bool
) -> None:
    assert worth_a_line(job, shown, seconds) is expected


def test_rate_and_time_left_are_those_of_the_last_half_minute() -> None:
    meter = RateMeter()
    assert meter.rate(0) is None
    meter.add(0, status(total_files=1000))
    assert meter.left(0.5) is None
    meter.add(10, status(progress=10, completed_files=100, total_files=1000))
    assert (meter.rate(10), meter.left(10)) == (10, 90)
    for at in range(20, 101, 10):
        meter.add(at, status(progress=11, completed_files=105, total_files=1000))
    assert meter.rate(100) is None
    meter.add(101, status(progress=0, completed_files=0))
    assert meter.rate(101) is None


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(None, ""), (12.4, "12 files/s"), (0.05, "3 files/min"), (0.002, "7 files/h")],
)
def test_rate_words(rate: float | None, expected: str) -> None:
    assert rate_words(rate) == expected


def test_behind_the_bar() -> None:
    meter = RateMeter()
    meter.add(0, status())
    now = status(progress=50, completed_files=1)
    meter.add(2, now)
    assert str(details(now, meter, 2)) == " 50%  1/3 files  30 files/min  2 s left"
    queued = status(JobState.QUEUED, queue_position=4)
    assert str(details(queued, meter, 2)) == "number 4 in the queue: 3 files"
    assert str(details(status(JobState.QUEUED), meter, 2)) == "3 files"


def test_a_table_keeps_ids_whole_however_narrow_the_terminal() -> None:
    job_id = "0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11"
    jobs = [
        status(job_id=job_id, progress=42, completed_files=1),
        status(JobState.FAILED, job_id=job_id, error="A long story. " * 20),
    ]
    text = printed(jobs_table(jobs, NOW + timedelta(seconds=9), 90), width=90)
    assert text.count(job_id) == 2
    assert "processing 42%" in text
    assert max(map(len, text.splitlines())) <= 90
    assert "…" in text
