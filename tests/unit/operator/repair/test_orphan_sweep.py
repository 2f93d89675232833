import pytest

from wherry_core.resources import DownloadJobStatus, Phase
from wherry_operator.repair.orphan_sweep import attempt_in_use


@pytest.mark.parametrize(
    ("phase", "used"),
    [
        (None, None),
        (Phase.QUEUED, None),
        (Phase.PROCESSING, None),
        (Phase.COMPLETED, "2"),
        (Phase.FAILED, ""),
        (Phase.CANCELLED, ""),
    ],
)
def test_which_folder_a_job_still_needs(phase: Phase | None, used: str | None) -> None:
    assert attempt_in_use(DownloadJobStatus(phase=phase, attempt=2)) == used
