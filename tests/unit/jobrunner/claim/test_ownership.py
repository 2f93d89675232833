from typing import Any

import pytest

from tests.unit.jobrunner.builders import CLAIM, NOW, RUNNER, claimed, job
from wherry_core.resources import DownloadJob
from wherry_core.settings import StoreSettings
from wherry_jobrunner.claim.ownership import (
    Standing,
    attempt_folder,
    may_remove,
    owns,
    shows_completion,
    shows_failure,
    shows_hand_back,
    standing,
)
from wherry_jobrunner.claim.status_patches import failure_of

SETTINGS = StoreSettings.model_validate(
    {"WHERRY_SOURCE_BUCKET": "sources", "WHERRY_ARCHIVE_BUCKET": "archives"}
)
FOLDER = "archives/tenant/uid-1/2/"
ARCHIVE = {"bucket": "archives", "key": FOLDER + "a.zip", "name": "a.zip", "size": 1}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (claimed(), Standing.OURS),
        (claimed({"suspend": True}), Standing.SUSPENDED),
        (claimed({"cancel": True}), Standing.CANCELLED),
        (claimed({"cancel": True, "suspend": True}), Standing.CANCELLED),
        (claimed(phase="Cancelled"), Standing.CANCELLED),
        (claimed(phase="Cancelled", attempt=3), Standing.CANCELLED),
        (claimed(attempt=3), Standing.FENCED),
        (claimed(runner="other"), Standing.FENCED),
        (claimed(runnerUID="pod-uid-2"), Standing.FENCED),
        (claimed(runnerUID=None), Standing.FENCED),
        (claimed(runner=None), Standing.FENCED),
        (claimed(phase="Queued", attempt=3, runner=None), Standing.FENCED),
        (claimed(phase="Failed"), Standing.FENCED),
        (claimed(phase="Completed"), Standing.FENCED),
        (None, Standing.DELETED),
        (job(metadata={"uid": "uid-2"}, phase="Queued"), Standing.DELETED),
        (
            job(
                metadata={"deletionTimestamp": "2030-01-02T03:00:00Z"},
                phase="Processing",
                attempt=2,
                runner=RUNNER,
                runnerUID=CLAIM.runner_uid,
            ),
            Standing.DELETED,
        ),
    ],
)
def test_standing_of_a_claim(found: DownloadJob | None, expected: Standing) -> None:
    assert standing(found, CLAIM) is expected


def test_a_suspended_or_cancelled_job_is_still_ours_to_end() -> None:
    assert owns(claimed({"suspend": True}), CLAIM)
    assert owns(claimed({"cancel": True}), CLAIM)
    assert not owns(claimed(phase="Cancelled"), CLAIM)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"attempt": 3}, False),
        ({"phase": "Processing"}, False),
        ({"archive": ARCHIVE | {"key": "archives/tenant/uid-1/3/a.zip"}}, False),
        ({"archive": None}, False),
    ],
)
def test_own_completion_is_recognised(changes: dict[str, Any], expected: bool) -> None:
    found = claimed(**{"phase": "Completed", "archive": ARCHIVE, **changes})
    assert shows_completion(found, CLAIM, FOLDER + "a.zip") is expected


def test_own_failure_is_recognised() -> None:
    failure = failure_of(CLAIM, "StoreUnavailable", "No answer.", NOW, retryable=True)
    other = failure.model_copy(update={"attempt": 1})
    assert shows_failure(claimed(failures=[other, failure]), CLAIM, failure)
    assert not shows_failure(claimed(failures=[other]), CLAIM, failure)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (claimed(runner=None), True),
        (claimed(phase="Queued", attempt=3, runner=None), True),
        (claimed(), False),
        (claimed(phase="Cancelled", runner=None), False),
        (job(metadata={"uid": "uid-2"}, phase="Queued", attempt=9), False),
    ],
)
def test_own_hand_back_is_recognised(found: DownloadJob, expected: bool) -> None:
    assert shows_hand_back(found, CLAIM) is expected


def test_the_folder_of_an_attempt_is_its_own() -> None:
    assert attempt_folder(SETTINGS, CLAIM) == FOLDER


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, True),
        (claimed(attempt=3), True),
        (claimed(phase="Completed", archive=ARCHIVE), False),
        (
            claimed(
                phase="Completed",
                attempt=3,
                archive=ARCHIVE | {"key": "archives/tenant/uid-1/3/a.zip"},
            ),
            True,
        ),
        (
            claimed(
                phase="Completed",
                attempt=22,
                archive=ARCHIVE | {"key": "archives/tenant/uid-1/22/a.zip"},
            ),
            True,
        ),
    ],
)
def test_the_jobs_result_is_never_removed(found: DownloadJob | None, expected: bool) -> None:
    assert may_remove(found, CLAIM, FOLDER) is expected
