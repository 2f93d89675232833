"""Suspending and resuming."""

from datetime import timedelta

from tests.unit.operator.builders import (
    NOW,
    RUNNER,
    condition,
    observed,
    processing,
    queued,
)
from wherry_operator.jobs.plan import NOTHING, QueueChange, condition_is_true
from wherry_operator.jobs.policies.suspension import resume, suspend_queued, suspend_running

SUSPEND = {"suspend": True}


def test_a_waiting_job_leaves_the_queue_and_says_so() -> None:
    plan = suspend_queued(observed(queued(spec=SUSPEND)), NOW)
    assert plan
    assert plan.status
    assert condition_is_true(plan.status, "Suspended")
    assert plan.queue is QueueChange.TAKE_OUT


def test_a_suspended_job_is_not_written_again() -> None:
    plan = suspend_queued(observed(queued(spec=SUSPEND, conditions=(condition("Suspended"),))), NOW)
    assert plan
    assert plan.status is None
    assert plan.queue is QueueChange.TAKE_OUT


def test_a_running_job_is_asked_back_again_and_again() -> None:
    plan = suspend_running(observed(processing(spec=SUSPEND)), NOW)
    assert plan
    assert plan.status is None
    assert plan.stop_runner == RUNNER
    assert plan.look_again == NOW + timedelta(seconds=10)


def test_a_running_job_that_is_not_suspended_goes_on() -> None:
    assert suspend_running(observed(processing()), NOW) is NOTHING


def test_a_resumed_job_waits_anew() -> None:
    seen = queued(conditions=(condition("Suspended"),))
    plan = resume(observed(seen), NOW)
    assert plan
    assert plan.status
    assert not condition_is_true(plan.status, "Suspended")
    assert plan.status.queued_time == NOW


def test_a_job_that_was_never_suspended_is_not_resumed() -> None:
    assert resume(observed(queued()), NOW) is None
