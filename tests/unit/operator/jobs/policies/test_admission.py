"""A new job enters the queue."""

import pytest

from tests.unit.operator.builders import NOW, ask, job, observed, queued
from wherry_core.resources import Phase
from wherry_core.resources.names import JobCondition
from wherry_operator.jobs.plan import QueueChange
from wherry_operator.jobs.policies.admission import admit
from wherry_operator.jobs.status_changes import condition_is_true


def test_a_new_job_is_queued_for_its_first_attempt() -> None:
    plan = ask(admit, observed(job()))
    assert plan
    assert plan.status
    assert (plan.status.phase, plan.status.attempt) == (Phase.QUEUED, 1)
    assert plan.status.queued_time == NOW
    assert plan.status.files.total == 2
    assert plan.queue is QueueChange.PUT


@pytest.mark.parametrize("hindrance", [{"pool_exists": False}, {"held": True}])
def test_a_job_that_cannot_start_yet_is_queued_but_not_in_the_queue(
    hindrance: dict[str, bool],
) -> None:
    plan = ask(admit, observed(job(), **hindrance))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert plan.queue is QueueChange.LEAVE


def test_a_job_made_suspended_says_so_and_stays_out() -> None:
    plan = ask(admit, observed(job(spec={"suspend": True})))
    assert plan
    assert plan.status
    assert condition_is_true(plan.status, JobCondition.SUSPENDED)
    assert plan.queue is QueueChange.LEAVE


def test_a_known_job_is_left_to_others() -> None:
    assert ask(admit, observed(queued())) is None
