"""The text of a progress bar, and the last line about a job."""

from datetime import timedelta

from tests.unit.client.statuses import NOW, status
from wherry_client.cli.formatting import RateMeter
from wherry_client.cli.watch import conclusion, progress_details
from wherry_client.models import JobState


def test_progress_details() -> None:
    meter = RateMeter()
    meter.add(0, status())
    now = status(progress=50, completed_files=1)
    meter.add(2, now)
    assert str(progress_details(now, meter, 2)) == " 50%  1/3 files  30 files/min  2 s left"
    queued = status(JobState.QUEUED, queue_position=4)
    assert str(progress_details(queued, meter, 2)) == "number 4 in the queue: 3 files"
    assert str(progress_details(status(JobState.QUEUED), meter, 2)) == "3 files"


def test_conclusion() -> None:
    completed = status(
        JobState.COMPLETED, completed_files=3, completed_at=NOW + timedelta(seconds=4)
    )
    assert str(conclusion(completed)) == "✓ Completed: 3 files (4 s after submission)"
    assert str(conclusion(status(JobState.FAILED, error="No."))) == "✗ Failed: No."
