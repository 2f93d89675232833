"""Jobs that their runners hand back."""

import pytest

from tests.unit.operator.builders import ask, observed, processing, queued
from wherry_core.resources import Phase
from wherry_core.resources.names import JobCondition
from wherry_operator.jobs.plan import QueueChange
from wherry_operator.jobs.policies.hand_back import requeue_handed_back
from wherry_operator.jobs.status_changes import condition_is_true


def test_a_job_handed_back_is_queued_at_once_and_spends_nothing() -> None:
    plan = ask(requeue_handed_back, observed(processing(runner=None)))
    assert plan
    assert plan.status
    assert (plan.status.phase, plan.status.attempt) == (Phase.QUEUED, 2)
    assert (plan.status.failed_attempts, plan.status.lost_attempts) == (0, 0)
    assert plan.status.next_attempt_time is None
    assert plan.queue is QueueChange.PUT


def test_a_suspended_job_handed_back_waits_outside_the_queue() -> None:
    plan = ask(requeue_handed_back, observed(processing(runner=None, spec={"suspend": True})))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert condition_is_true(plan.status, JobCondition.SUSPENDED)
    assert plan.queue is QueueChange.TAKE_OUT


@pytest.mark.parametrize("other", [processing(), queued()])
def test_other_states_are_left_to_others(other: object) -> None:
    assert ask(requeue_handed_back, observed(other)) is None  # type: ignore[arg-type]
