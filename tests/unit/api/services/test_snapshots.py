"""When a snapshot of Redis is enough, and which of two snapshots is shown."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from wherry_api.services import snapshots
from wherry_api.services.estimates import Estimates
from wherry_api.services.snapshots import Snapshots, may_be_stale, newest
from wherry_core.job_snapshot import JobSnapshot, JobStatus

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def snapshot(**fields: object) -> JobSnapshot:
    return JobSnapshot.model_validate(
        {
            "namespace": "a",
            "name": "job",
            "uid": "u",
            "status": JobStatus.PROCESSING,
            "createdAt": NOW,
            "updatedAt": NOW,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("seconds_ago", "unchanged", "stale"),
    [
        (0, None, False),
        (29, None, False),
        (31, None, True),
        # At first sight, a runner's clock that is ahead hides nothing.
        (-120, None, True),
        (-3, None, False),
        # Afterwards this process's own clock decides, whatever the runner's shows.
        (-120, 31, True),
        (-120, 1, False),
        (120, 1, False),
        (120, 31, True),
    ],
)
def test_a_job_that_does_not_change_is_read_from_its_resource(
    seconds_ago: int, unchanged: float | None, stale: bool
) -> None:
    running = snapshot(updatedAt=NOW - timedelta(seconds=seconds_ago))
    assert may_be_stale(running, unchanged_seconds=unchanged, now=NOW) is stale


def test_an_ended_job_is_never_stale() -> None:
    done = snapshot(status=JobStatus.COMPLETED, updatedAt=NOW - timedelta(days=1))
    assert not may_be_stale(done, unchanged_seconds=None, now=NOW)
    assert not may_be_stale(done, unchanged_seconds=100, now=NOW)


def test_of_two_jobs_with_one_name_the_one_that_exists_is_shown() -> None:
    resource = snapshot(uid="new")
    assert newest(None, resource) == resource
    assert newest(snapshot(uid="old", step=9), resource) == resource
    ahead = snapshot(uid="new", step=9)
    assert newest(ahead, resource) == ahead
    assert newest(resource, ahead) == ahead


async def test_a_job_that_does_not_change_is_read_from_its_resource_periodically(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshots, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(snapshots, "RESOURCE_READ_SECONDS", 0.2)
    none = cast("Any", None)
    reads = Snapshots(none, none, Estimates(2.0))
    # A runner whose clock is ahead: only the first sight depends on it.
    running = snapshot(updatedAt=datetime.now(UTC) + timedelta(minutes=2))
    assert reads._must_read_resource(running)
    assert not reads._must_read_resource(running.model_copy(update={"step": 1}))
    await asyncio.sleep(0.25)
    assert reads._must_read_resource(running.model_copy(update={"step": 1}))
    assert not reads._must_read_resource(running.model_copy(update={"step": 1}))
    await asyncio.sleep(0.25)
    assert not reads._must_read_resource(running.model_copy(update={"step": 2}))
