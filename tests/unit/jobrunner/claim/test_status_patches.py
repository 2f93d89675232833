from dataclasses import replace
from typing import Any

import jsonpatch
import jsonpointer
import pytest

from tests.unit.jobrunner.builders import CLAIM, NOW, claimed
from wherry_core.resources import Archive, ByteCounts, DownloadJob, FileCounts, Phase
from wherry_jobrunner.claim.status_patches import (
    completed_patch,
    failed_patch,
    failure_of,
    hand_back_patch,
    progress_patch,
)
from wherry_jobrunner.progress.progress import Progress

ARCHIVE = Archive(bucket="b", key="k", name="a.zip", size=7, checksum="CRC32:abc")
PROGRESS = Progress(
    40, FileCounts(total=3, completed=2, skipped=1), ByteCounts(total=9, completed=5)
)


def applied(found: DownloadJob, patch: list[dict[str, Any]]) -> DownloadJob:
    """Apply a patch as the API server does. Raises JsonPatchTestFailed."""
    # As stored: without the fields that were never set.
    wire = found.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    rest = []
    for operation in patch:
        # For the API server, a missing field equals null; for jsonpatch it does not.
        if operation["op"] == "test" and operation["value"] is None:
            if jsonpointer.resolve_pointer(wire, operation["path"], None) is not None:
                raise jsonpatch.JsonPatchTestFailed(operation["path"])
        else:
            rest.append(operation)
    return DownloadJob.model_validate(jsonpatch.apply_patch(wire, rest))


def patches(found: DownloadJob) -> list[list[dict[str, Any]]]:
    failure = failure_of(CLAIM, "R", "m", NOW, retryable=True)
    return [
        progress_patch(CLAIM, 5, PROGRESS),
        completed_patch(CLAIM, found, 6, ARCHIVE, PROGRESS, NOW),
        failed_patch(CLAIM, found, failure),
        hand_back_patch(CLAIM),
    ]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(
    "other",
    [
        claimed(attempt=3),
        claimed(runner="other"),
        claimed(runner=None),
        claimed(runnerUID="pod-uid-2"),
        claimed(phase="Queued"),
        claimed(phase="Cancelled"),
        claimed(phase="Completed"),
    ],
)
def test_nothing_is_written_to_a_job_that_is_not_ours(number: int, other: DownloadJob) -> None:
    with pytest.raises((jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict)):
        applied(other, patches(claimed())[number])


def test_progress_changes_only_figures() -> None:
    after = applied(claimed(), progress_patch(CLAIM, 5, PROGRESS)).status
    assert (after.step, after.progress, after.files, after.bytes) == (
        5,
        40,
        PROGRESS.files,
        PROGRESS.bytes,
    )
    assert (after.phase, after.attempt, after.runner) == (Phase.PROCESSING, 2, CLAIM.runner)


def test_completion_keeps_other_conditions_and_says_what_was_skipped() -> None:
    suspended = {
        "type": "Suspended",
        "status": "False",
        "reason": "Resumed",
        "lastTransitionTime": "2030-01-01T00:00:00Z",
    }
    before = claimed(conditions=[suspended])
    after = applied(before, completed_patch(CLAIM, before, 6, ARCHIVE, PROGRESS, NOW)).status
    assert after.phase is Phase.COMPLETED
    assert (after.archive, after.completion_time, after.progress) == (ARCHIVE, NOW, 100)
    assert [condition.type for condition in after.conditions] == ["Suspended", "Complete"]
    complete = after.conditions[1]
    assert (complete.status, complete.reason) == ("True", "ArchiveStored")
    assert complete.observed_generation == 3
    assert "1 were skipped" in complete.message


@pytest.mark.parametrize("number", range(4))
def test_a_job_that_somebody_else_changes_all_the_time_can_be_patched(number: int) -> None:
    newer = claimed().model_copy(
        update={"metadata": claimed().metadata.model_copy(update={"resource_version": "42"})}
    )
    applied(newer, patches(claimed())[number])


SUSPENDED = {
    "type": "Suspended",
    "status": "False",
    "reason": "Resumed",
    "lastTransitionTime": "2030-01-01T00:00:00Z",
}
COMPLETE = SUSPENDED | {"type": "Complete"}


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ({}, {"conditions": [SUSPENDED]}),
        ({"conditions": [COMPLETE]}, {"conditions": [SUSPENDED, COMPLETE]}),
    ],
)
def test_completion_never_replaces_a_condition_that_it_does_not_know(
    known: dict[str, Any], found: dict[str, Any]
) -> None:
    patch = completed_patch(CLAIM, claimed(**known), 6, ARCHIVE, PROGRESS, NOW)
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        applied(claimed(**found), patch)


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ({"conditions": []}, {"conditions": []}),
        ({"conditions": [SUSPENDED]}, {"conditions": [SUSPENDED | {"status": "True"}]}),
        ({"conditions": [COMPLETE]}, {"conditions": [COMPLETE, SUSPENDED]}),
    ],
)
def test_completion_keeps_what_others_did_to_their_conditions(
    known: dict[str, Any], found: dict[str, Any]
) -> None:
    patch = completed_patch(CLAIM, claimed(**known), 6, ARCHIVE, PROGRESS, NOW)
    before = claimed(**found)
    after = {each.type: each for each in applied(before, patch).status.conditions}
    assert after.pop("Complete").status == "True"
    kept = {each.type: each for each in before.status.conditions if each.type != "Complete"}
    assert after == kept


def test_without_a_uid_in_the_resource_the_name_alone_fences() -> None:
    claim = replace(CLAIM, runner_uid=None)
    after = applied(claimed(runnerUID=None), hand_back_patch(claim)).status
    assert after.runner is None


def test_failure_is_added_last_and_the_newest_twenty_are_kept() -> None:
    old = [failure_of(CLAIM, f"R{n}", "m", NOW, retryable=True).to_wire() for n in range(20)]
    before = claimed(failures=old)
    failure = failure_of(CLAIM, "StoreUnavailable", "No answer.", NOW, retryable=False)
    after = applied(before, failed_patch(CLAIM, before, failure)).status
    assert len(after.failures) == 20
    assert after.failures[0].reason == "R1"
    assert after.failures[-1] == failure
    assert (after.phase, after.runner, after.runner_uid) == (Phase.PROCESSING, None, None)


def test_long_messages_are_cut_to_what_the_resource_takes() -> None:
    failure = failure_of(CLAIM, "R" * 200, "m" * 2_000, NOW, retryable=True)
    assert len(failure.reason) == 128
    assert len(failure.message) == 1024
    assert failure.message.endswith("…")


def test_hand_back_records_no_failure() -> None:
    after = applied(claimed(), hand_back_patch(CLAIM)).status
    assert (after.phase, after.runner, after.failures, after.attempt) == (
        Phase.PROCESSING,
        None,
        (),
        2,
    )
