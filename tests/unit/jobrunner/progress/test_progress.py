import pytest

from tests.unit.jobrunner.builders import claimed
from wherry_jobrunner.archive.interface import ArchiveProgress
from wherry_jobrunner.progress.progress import Progress, initial_progress, progress_of

START = initial_progress(claimed())


def test_initial_progress_counts_each_id_once() -> None:
    assert (START.percent, START.files.total, START.files.completed) == (0, 3, 0)


@pytest.mark.parametrize(
    ("archive", "percent"),
    [
        (ArchiveProgress(3, 0, 0, 0, 0), 0),
        (ArchiveProgress(3, 1, 0, 1_000, 339), 33),
        (ArchiveProgress(3, 3, 0, 1_000, 1_000), 99),
        (ArchiveProgress(4, 2, 1, 0, 0), 75),
        (ArchiveProgress(4, 4, 0, 0, 0), 99),
        (ArchiveProgress(0, 0, 0, 0, 0), 0),
    ],
)
def test_percent_is_of_bytes_and_full_only_when_the_job_is_completed(
    archive: ArchiveProgress, percent: int
) -> None:
    assert progress_of(archive, START).percent == percent


def test_nothing_falls() -> None:
    first = progress_of(ArchiveProgress(3, 2, 1, 100, 80), START)
    second = progress_of(ArchiveProgress(3, 1, 0, 100, 60), first)
    assert second == Progress(80, first.files, first.bytes)
