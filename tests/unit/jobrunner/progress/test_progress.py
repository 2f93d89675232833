import pytest

from tests.unit.jobrunner.builders import claimed
from wherry_jobrunner.archive.interface import ArchiveProgress
from wherry_jobrunner.progress.progress import Figures, figures_of, first_figures

START = first_figures(claimed())


def test_first_figures_count_each_id_once() -> None:
    assert (START.percent, START.files.total, START.files.completed) == (0, 3, 0)


@pytest.mark.parametrize(
    ("progress", "percent"),
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
    progress: ArchiveProgress, percent: int
) -> None:
    assert figures_of(progress, START).percent == percent


def test_nothing_falls() -> None:
    first = figures_of(ArchiveProgress(3, 2, 1, 100, 80), START)
    second = figures_of(ArchiveProgress(3, 1, 0, 100, 60), first)
    assert second == Figures(80, first.files, first.bytes)
