from datetime import UTC, datetime, timedelta
from typing import Any

from wherry_api.services.estimates import ENOUGH_MEASUREMENTS, Estimates
from wherry_core.job_snapshot import JobSnapshot, JobStatus

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)


def ended(uid: str, seconds: float, files: int = 10, **changes: Any) -> JobSnapshot:
    return JobSnapshot(
        namespace="a",
        name=uid,
        uid=uid,
        status=JobStatus.COMPLETED,
        total_files=files,
        created_at=BEGAN,
        updated_at=BEGAN,
        started_at=BEGAN,
        completed_at=BEGAN + timedelta(seconds=seconds),
    ).model_copy(update=changes)


def test_the_default_holds_until_there_are_measurements() -> None:
    estimates = Estimates(2.0)
    for index in range(ENOUGH_MEASUREMENTS - 1):
        estimates.first_sight(ended(str(index), 5))
        assert estimates.seconds(3) == 6
    estimates.first_sight(ended("last", 5))
    assert estimates.seconds_per_file == 0.5
    assert estimates.seconds(3) == 2
    assert estimates.seconds(0) == 0


def test_a_job_counts_once_and_only_if_it_completed() -> None:
    estimates = Estimates(2.0)
    assert estimates.first_sight(ended("a", 5))
    assert not estimates.first_sight(ended("a", 5))
    assert not estimates.first_sight(ended("b", 5, status=JobStatus.PROCESSING))
    for index in range(20):
        assert estimates.first_sight(ended(f"f{index}", 5, status=JobStatus.FAILED))
        assert estimates.first_sight(ended(f"n{index}", 5, started_at=None))
        assert estimates.first_sight(ended(f"z{index}", 5, files=0))
    assert estimates.seconds_per_file == 2.0


def test_the_average_follows_the_newer_jobs() -> None:
    estimates = Estimates(2.0)
    for index in range(50):
        estimates.first_sight(ended(f"slow{index}", 100))
    for index in range(100):
        estimates.first_sight(ended(f"fast{index}", 10))
    assert 1.0 <= estimates.seconds_per_file < 1.01
