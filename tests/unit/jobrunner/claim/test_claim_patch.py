from datetime import timedelta
from typing import Any

import pytest

from tests.unit.jobrunner.builders import ME, NOW, RUNNER, RUNNER_UID, claimed, job
from wherry_jobrunner.claim.claim_loop import parsed_key
from wherry_jobrunner.claim.claim_patch import (
    CLOCK_TOLERANCE,
    Refusal,
    claim_of,
    claim_patch,
    claimed_at,
    may_claim,
)


@pytest.mark.parametrize(
    ("spec", "status", "metadata", "expected"),
    [
        ({}, {"phase": "Queued", "attempt": 1}, {}, None),
        ({}, {}, {}, Refusal.NOT_QUEUED),
        ({}, {"phase": "Processing", "runner": "other"}, {}, Refusal.NOT_QUEUED),
        ({}, {"phase": "Completed"}, {}, Refusal.NOT_QUEUED),
        ({}, {"phase": "Failed"}, {}, Refusal.NOT_QUEUED),
        ({}, {"phase": "Cancelled"}, {}, Refusal.NOT_QUEUED),
        ({"suspend": True}, {"phase": "Queued"}, {}, Refusal.SUSPENDED),
        ({"cancel": True}, {"phase": "Queued"}, {}, Refusal.CANCELLED),
        ({"cancel": True, "suspend": True}, {"phase": "Queued"}, {}, Refusal.CANCELLED),
        (
            {},
            {"phase": "Queued"},
            {"deletionTimestamp": "2030-01-02T03:00:00Z"},
            Refusal.DELETED,
        ),
    ],
)
def test_only_a_queued_job_that_nobody_stopped_may_be_claimed(
    spec: dict[str, Any],
    status: dict[str, Any],
    metadata: dict[str, Any],
    expected: Refusal | None,
) -> None:
    assert may_claim(job(spec, metadata, **status), NOW) is expected


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (timedelta(seconds=-60), None),
        (CLOCK_TOLERANCE, None),
        (CLOCK_TOLERANCE + timedelta(seconds=1), Refusal.TOO_EARLY),
    ],
)
def test_backoff_is_kept_within_the_tolerance_of_two_clocks(
    ahead: timedelta, expected: Refusal | None
) -> None:
    due = (NOW + ahead).isoformat()
    assert may_claim(job(phase="Queued", nextAttemptTime=due), NOW) is expected


def test_claim_is_guarded_and_leaves_the_attempt_number_alone() -> None:
    patch = claim_patch(job(phase="Queued", attempt=1), ME, NOW)
    assert patch["metadata"] == {"resourceVersion": "41"}
    assert patch["status"] == {
        "phase": "Processing",
        "runner": RUNNER,
        "runnerUID": RUNNER_UID,
        "attemptStartTime": "2030-01-02T03:04:05Z",
        "startTime": "2030-01-02T03:04:05Z",
        "step": 1,
        "progress": 0,
        "files": {"completed": 0, "skipped": 0},
        "bytes": {"completed": 0},
    }


def test_later_attempt_keeps_the_first_start() -> None:
    earlier = job(phase="Queued", attempt=2, startTime="2030-01-02T03:00:00Z")
    assert "startTime" not in claim_patch(earlier, ME, NOW)["status"]


def test_claim_ends_what_said_why_the_job_waited() -> None:
    def condition(kind: str, status: str) -> dict[str, str]:
        return {
            "type": kind,
            "status": status,
            "reason": "Because",
            "lastTransitionTime": "2030-01-02T03:00:00Z",
        }

    other = condition("Other", "True")
    waiting = job(phase="Queued", conditions=[other, condition("Waiting", "True")])
    status = claim_patch(waiting, ME, NOW)["status"]
    kept, ended = status["conditions"]
    assert kept["status"] == "True"
    assert ended == {
        "type": "Waiting",
        "status": "False",
        "reason": "Claimed",
        "message": "A runner has claimed the job.",
        "lastTransitionTime": "2030-01-02T03:04:05Z",
        "observedGeneration": 3,
    }
    again = job(phase="Queued", conditions=[other, condition("Waiting", "False")])
    assert "conditions" not in claim_patch(again, ME, NOW)["status"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"runner": "other"}, False),
        ({"runnerUID": "pod-uid-2"}, False),
        ({"runnerUID": None}, True),
        ({"phase": "Queued"}, False),
        ({"attemptStartTime": "2030-01-02T03:04:04Z"}, False),
        ({"attemptStartTime": None}, False),
    ],
)
def test_claim_whose_answer_was_lost_is_known_by_runner_and_second(
    changes: dict[str, Any], expected: bool
) -> None:
    found = claimed(**{"attemptStartTime": "2030-01-02T03:04:05Z", **changes})
    assert claimed_at(found, ME, NOW) is expected


def test_claim_names_what_fences_it_off() -> None:
    claim = claim_of(claimed(), ME)
    assert (claim.job, claim.uid, claim.attempt) == ("tenant/job", "uid-1", 2)
    assert (claim.runner, claim.runner_uid) == (RUNNER, RUNNER_UID)


def test_claim_on_a_cluster_without_the_field_is_fenced_by_the_runner_s_name() -> None:
    assert claim_of(claimed(runnerUID=None), ME).runner_uid is None


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ("a/b", ("a", "b")),
        ("a", None),
        ("/b", None),
        ("a/", None),
        ("a/b/c", None),
        ("", None),
    ],
)
def test_members_of_the_queue_name_a_namespace_and_a_job(
    member: str, expected: tuple[str, str] | None
) -> None:
    assert parsed_key(member) == expected
