"""The chain of policies as a whole."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.operator.builders import (
    LOST,
    NOW,
    ago,
    ahead,
    condition,
    ended,
    failure,
    job,
    observed,
    pool,
    processing,
    queued,
)
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.jobs.decision import plan_job
from wherry_operator.jobs.plan import ObservedJob, status_patch
from wherry_operator.jobs.policies.failed_attempt import judge_failed_attempt

STATES: list[tuple[str, ObservedJob, str]] = [
    ("new", observed(job()), "Admitted"),
    ("new and cancelled", observed(job(spec={"cancel": True})), "Cancelled"),
    ("new and suspended", observed(job(spec={"suspend": True})), "Suspended"),
    ("waiting", observed(queued()), "Waiting"),
    (
        "waiting for long",
        observed(queued(queued_time=ago(40)), pool=pool(paused=True), may_explain=True),
        "Waiting",
    ),
    ("waiting for a pool", observed(queued(), pool_exists=False), "PoolNotFound"),
    ("waiting too long", observed(queued(queued_time=ago(4_000))), "QueueTimeout"),
    ("held back", observed(queued(), held=True), "TenantLimit"),
    ("running", observed(processing()), "NothingToDo"),
    ("running and suspended", observed(processing(spec={"suspend": True})), "Suspending"),
    ("lost", observed(processing(), loss=LOST), "RunnerGone"),
    ("lost and cancelled", observed(processing(spec={"cancel": True}), loss=LOST), "Cancelled"),
    ("handed back", observed(processing(runner=None)), "HandedBack"),
    ("failed", observed(processing(runner=None, failures=(failure(),))), "AttemptFailed"),
    ("completed", observed(ended(Phase.COMPLETED)), "NothingToDo"),
    ("completed and cancelled", observed(ended(Phase.COMPLETED, spec={"cancel": True})), "Nothing"),
    ("over", observed(ended(Phase.COMPLETED, 90_000)), "LifetimeOver"),
    (
        "being deleted",
        observed(queued(metadata={"deletionTimestamp": ago(1)})),
        "BeingDeleted",
    ),
]


@pytest.mark.parametrize(
    ("seen", "reason"), [each[1:] for each in STATES], ids=[s[0] for s in STATES]
)
def test_every_state_has_its_answer(seen: ObservedJob, reason: str) -> None:
    assert plan_job(seen, NOW).reason.startswith(reason)


@pytest.mark.parametrize("seen", [each[1] for each in STATES], ids=[s[0] for s in STATES])
def test_a_decision_is_the_same_however_often_it_is_made(seen: ObservedJob) -> None:
    """Nothing is remembered between two decisions: a restart in between changes nothing."""
    assert plan_job(seen, NOW) == plan_job(seen, NOW)


@pytest.mark.parametrize("seen", [each[1] for each in STATES], ids=[s[0] for s in STATES])
def test_what_was_written_is_not_written_again(seen: ObservedJob) -> None:
    plan = plan_job(seen, NOW)
    if plan.status is None:
        return
    after = seen.job.model_copy(update={"status": plan.status})
    again = plan_job(replace(seen, job=after, loss=None), NOW)
    assert again.status is None


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED])
@pytest.mark.parametrize("loss", [LOST, None])
@pytest.mark.parametrize("spec", [{}, {"cancel": True}, {"suspend": True}])
def test_what_has_ended_never_changes_its_phase(
    phase: Phase, loss: object, spec: dict[str, bool]
) -> None:
    seen = observed(ended(phase, spec=spec, runner="default-runner-0"), loss=loss)
    plan = plan_job(seen, NOW)
    assert plan.status is None


def test_a_changed_spec_is_acknowledged() -> None:
    plan = plan_job(observed(queued(metadata={"generation": 2})), NOW)
    assert plan.status
    assert plan.status.observed_generation == 2


def test_the_timer_follows_the_status_after_the_plan() -> None:
    seen = observed(processing(runner=None, failures=(failure(),)))
    assert judge_failed_attempt(seen, NOW)
    assert plan_job(seen, NOW).look_again == ahead(1)
    failed = observed(
        processing(runner=None, failures=(failure(retryable=False),), failed_attempts=0)
    )
    assert plan_job(failed, NOW).look_again == ahead(3_600)
    assert plan_job(observed(job()), NOW).look_again == NOW + timedelta(seconds=30)
    waiting = observed(queued(queued_time=ago(31)))
    assert plan_job(waiting, NOW).look_again == ago(31) + timedelta(hours=1)


def test_a_dead_letter_is_labelled_after_its_status_says_so() -> None:
    seen: DownloadJob = ended(
        Phase.FAILED, conditions=(condition("Failed"), condition("DeadLettered"))
    )
    assert plan_job(observed(seen), NOW).labels


def test_a_patch_holds_only_what_changed() -> None:
    old = {"phase": "Queued", "files": {"total": 3, "completed": 1}, "runner": "r", "list": [1]}
    new = {"phase": "Queued", "files": {"total": 3, "completed": 0}, "list": [1, 2]}
    assert status_patch(old, new) == {
        "files": {"completed": 0},
        "runner": None,
        "list": [1, 2],
    }
    assert status_patch(old, old) == {}
