"""Suspending and resuming."""

from datetime import timedelta

from tests.unit.operator.builders import (
    NOW,
    ago,
    ahead,
    ask,
    condition,
    observed,
    processing,
    queued,
)
from wherry_core.resources import Phase
from wherry_core.resources.names import JobCondition
from wherry_operator.jobs.deadlines import active_deadline
from wherry_operator.jobs.plan import JobPlan, QueueChange
from wherry_operator.jobs.policies import plan_job
from wherry_operator.jobs.policies.suspension import resume, suspend_queued, suspend_running
from wherry_operator.jobs.status_changes import condition_is_true
from wherry_operator.policies import Stop

SUSPEND = {"suspend": True}


def test_a_waiting_job_leaves_the_queue_and_says_so() -> None:
    plan = ask(suspend_queued, observed(queued(spec=SUSPEND)))
    assert plan
    assert plan.status
    assert condition_is_true(plan.status, JobCondition.SUSPENDED)
    assert plan.queue is QueueChange.TAKE_OUT


def test_a_suspended_job_is_not_written_again() -> None:
    plan = ask(suspend_queued, observed(queued(spec=SUSPEND, conditions=(condition("Suspended"),))))
    assert plan
    assert plan.status is None
    assert plan.queue is QueueChange.TAKE_OUT


def test_a_running_job_is_asked_back_again_and_again() -> None:
    plan = ask(suspend_running, observed(processing(spec=SUSPEND)))
    assert plan
    assert plan.status is None
    assert plan.stop_runner
    assert plan.requeue_at == NOW + timedelta(seconds=10)


def test_a_running_job_that_is_not_suspended_goes_on() -> None:
    assert suspend_running(observed(processing()), JobPlan()) == Stop(JobPlan())


def test_a_resumed_job_waits_from_the_moment_of_its_resumption() -> None:
    seen = queued(conditions=(condition("Suspended"),))
    plan = ask(resume, observed(seen))
    assert plan
    assert plan.status
    assert not condition_is_true(plan.status, JobCondition.SUSPENDED)
    assert plan.status.queued_time == NOW


def test_a_job_that_was_never_suspended_is_not_resumed() -> None:
    assert ask(resume, observed(queued())) is None


def test_a_resumed_job_that_has_run_starts_its_active_deadline_again() -> None:
    """As for a Kubernetes Job: the start time is reset at the resumption."""
    limited = {"activeDeadlineSeconds": 60}
    suspended = queued(
        start_time=ago(600), spec={**limited, "suspend": True}, conditions=(condition("Suspended"),)
    )
    assert active_deadline(suspended) is None
    resumed = queued(start_time=ago(600), spec=limited, conditions=(condition("Suspended"),))
    plan = plan_job(observed(resumed))
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert plan.status.start_time == NOW
    after = resumed.model_copy(update={"status": plan.status})
    assert active_deadline(after) == ahead(60)


def test_a_resumed_job_that_has_not_run_has_no_start_time() -> None:
    plan = ask(resume, observed(queued(conditions=(condition("Suspended"),))))
    assert plan
    assert plan.status
    assert plan.status.start_time is None
