"""The policies of a job together."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.operator.builders import (
    LOST,
    NOW,
    ago,
    ahead,
    ask,
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
from wherry_operator.jobs.plan import ObservedJob
from wherry_operator.jobs.policies import plan_job
from wherry_operator.jobs.policies.failed_attempt import judge_failed_attempt

STATES: list[tuple[str, ObservedJob, str]] = [
    ("new", observed(job()), "Admitted"),
    ("new and cancelled", observed(job(spec={"cancel": True})), "Cancelled"),
    ("new and suspended", observed(job(spec={"suspend": True})), "Suspended"),
    ("waiting", observed(queued()), "Waiting"),
    (
        "waiting for long",
        observed(queued(queued_time=ago(40)), pool=pool(paused=True)),
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
    ("expired", observed(ended(Phase.COMPLETED, 90_000)), "Expired"),
    (
        "being deleted",
        observed(queued(metadata={"deletionTimestamp": ago(1)})),
        "BeingDeleted",
    ),
]


@pytest.mark.parametrize(
    ("seen", "reason"), [each[1:] for each in STATES], ids=[s[0] for s in STATES]
)
def test_every_state_has_its_plan(seen: ObservedJob, reason: str) -> None:
    assert plan_job(seen).reason.startswith(reason)


@pytest.mark.parametrize("seen", [each[1] for each in STATES], ids=[s[0] for s in STATES])
def test_a_decision_is_the_same_however_often_it_is_made(seen: ObservedJob) -> None:
    """Nothing is remembered between two decisions: a restart in between changes nothing."""
    assert plan_job(seen) == plan_job(seen)


@pytest.mark.parametrize("seen", [each[1] for each in STATES], ids=[s[0] for s in STATES])
def test_what_was_written_is_not_written_again(seen: ObservedJob) -> None:
    plan = plan_job(seen)
    status = plan.status or (plan.explanation.status if plan.explanation else seen.job.status)
    after = seen.job.model_copy(update={"status": status})
    again = plan_job(replace(seen, job=after, loss=None))
    assert (again.status, again.explanation) == (None, None)


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED])
@pytest.mark.parametrize("loss", [LOST, None])
@pytest.mark.parametrize("spec", [{}, {"cancel": True}, {"suspend": True}])
def test_what_has_ended_never_changes_its_phase(
    phase: Phase, loss: object, spec: dict[str, bool]
) -> None:
    seen = observed(ended(phase, spec=spec, runner="default-runner-0"), loss=loss)
    plan = plan_job(seen)
    assert plan.status is None


def test_a_changed_spec_is_acknowledged() -> None:
    plan = plan_job(observed(queued(metadata={"generation": 2})))
    assert plan.status
    assert plan.status.observed_generation == 2


def test_the_timer_follows_the_status_after_the_plan() -> None:
    seen = observed(processing(runner=None, failures=(failure(),)))
    assert ask(judge_failed_attempt, seen)
    assert plan_job(seen).requeue_at == ahead(1)
    failed = observed(
        processing(runner=None, failures=(failure(retryable=False),), failed_attempts=0)
    )
    assert plan_job(failed).requeue_at == ahead(3_600)
    assert plan_job(observed(job())).requeue_at == NOW + timedelta(seconds=30)
    waiting = observed(queued(queued_time=ago(31)))
    assert plan_job(waiting).requeue_at == ago(31) + timedelta(hours=1)


def test_a_dead_letter_is_labelled_after_its_status_says_so() -> None:
    seen: DownloadJob = ended(
        Phase.FAILED, conditions=(condition("Failed"), condition("DeadLettered"))
    )
    assert plan_job(observed(seen)).labels


def test_a_condition_and_fields_of_a_newer_release_change_no_decision() -> None:
    """A second operator, or a newer schema, may add what this release does not know."""
    newer = condition("Waiting").model_copy(update={"type": "Quarantined"})
    for _, seen, reason in STATES:
        wire = seen.job.to_wire()
        status = wire["status"]
        status["conditions"] = [*status.get("conditions", []), newer.to_wire()]
        status["shard"] = {"index": 3}
        wire["spec"]["region"] = "eu"
        changed = replace(seen, job=DownloadJob.model_validate(wire))
        plan = plan_job(changed)
        assert plan.reason.startswith(reason)
        if plan.status is not None:
            assert "Quarantined" in {each.type for each in plan.status.conditions}
