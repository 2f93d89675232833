import pytest

from tests.unit.jobrunner.archive.sources import source
from wherry_core.resources.download_job import OnMissing
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan.resolver import missing_message, settle_missing
from wherry_jobrunner.archive.store.objects import SkippedFile
from wherry_jobrunner.archive.store.retries import PassingStatusError, delay


def gone(count: int, length: int = 1) -> list[SkippedFile]:
    return [SkippedFile(f"{number}".rjust(length, "x"), "gone") for number in range(count)]


def test_the_first_twenty_missing_ids_are_named_and_all_counted() -> None:
    message = missing_message(gone(25))
    assert message.startswith("25 files were not found: '0', '1'")
    assert message.endswith("'19' and 5 more.")
    assert missing_message(gone(1)) == "1 file was not found: '0'."


def test_a_message_of_long_ids_fits_into_a_status() -> None:
    assert len(missing_message(gone(10_000, 256))) <= 1_024


def test_missing_files_fail_the_job_or_go_into_the_manifest() -> None:
    settle_missing([source(1, 1)], [], OnMissing.FAIL)
    settle_missing([source(1, 1)], gone(3), OnMissing.MANIFEST)
    with pytest.raises(ArchiveError, match="3 files"):
        settle_missing([source(1, 1)], gone(3), OnMissing.FAIL)
    with pytest.raises(ArchiveError, match="1 file was"):
        settle_missing([], gone(1), OnMissing.MANIFEST)


def test_delays_double_with_jitter_and_mind_the_stores_wish() -> None:
    assert [delay(n, OSError(), 1.0) for n in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert delay(3, OSError(), 0.0) == 0.4
    assert delay(0, PassingStatusError(503, "2"), 0.5) == 2.0
    assert delay(0, PassingStatusError(503, "3600"), 0.5) == 5.0
    assert delay(0, PassingStatusError(503, "soon"), 1.0) == 0.1
    assert delay(30, OSError(), 1.0) == 5.0
