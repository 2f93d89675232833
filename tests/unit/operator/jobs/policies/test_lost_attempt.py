"""Lost runners: other runners start their jobs again, up to a separate limit."""

from dataclasses import replace

import pytest

from tests.unit.operator.builders import (
    LOST,
    OUT_OF_MEMORY,
    RUNNER,
    ago,
    ahead,
    ask,
    failure,
    observed,
    processing,
)
from wherry_core.resources import Phase
from wherry_core.resources.names import JobCondition
from wherry_operator.jobs.plan import QueueChange
from wherry_operator.jobs.policies.lost_attempt import replace_lost_runner
from wherry_operator.jobs.status_changes import condition_is_true


def test_a_lost_runner_costs_no_attempt_of_the_jobs_own() -> None:
    plan = ask(replace_lost_runner, observed(processing(), loss=LOST))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert plan.status.attempt == 2
    assert (plan.status.lost_attempts, plan.status.failed_attempts) == (1, 0)
    assert plan.status.next_attempt_time is None
    assert plan.status.runner is None
    newest = plan.status.failures[-1]
    assert (newest.infrastructure, newest.runner, newest.attempt) == (True, RUNNER, 1)
    assert plan.queue is QueueChange.PUT
    assert plan.stop_runner


def test_too_many_lost_runners_end_the_job_as_a_dead_letter() -> None:
    plan = ask(replace_lost_runner, observed(processing(lost_attempts=10), loss=LOST))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.FAILED
    assert condition_is_true(plan.status, JobCondition.DEAD_LETTERED)
    assert "11 times" in plan.message


def test_used_up_memory_counts_as_the_jobs_own_failure() -> None:
    plan = ask(replace_lost_runner, observed(processing(), loss=OUT_OF_MEMORY))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert (plan.status.lost_attempts, plan.status.failed_attempts) == (0, 1)
    assert plan.status.next_attempt_time == ahead(1)
    assert plan.status.failures[-1].reason == "OutOfMemory"


def test_the_list_of_failures_is_bounded() -> None:
    many = tuple(failure(number) for number in range(1, 21))
    plan = ask(replace_lost_runner, observed(processing(failures=many), loss=LOST))
    assert plan
    assert plan.status
    assert len(plan.status.failures) == 20
    assert plan.status.failures[-1].reason == LOST.reason


@pytest.mark.parametrize("suspend", [True, False])
def test_a_suspended_job_does_not_go_back_into_the_queue(suspend: bool) -> None:
    seen = processing(spec={"suspend": suspend})
    plan = ask(replace_lost_runner, observed(seen, loss=LOST))
    assert plan
    assert (plan.queue is QueueChange.PUT) is not suspend


def test_a_living_runner_is_left_alone() -> None:
    assert ask(replace_lost_runner, observed(processing())) is None


def test_a_runner_that_reported_already_is_left_to_others() -> None:
    assert ask(replace_lost_runner, observed(processing(runner=None), loss=LOST)) is None


def test_times_of_the_first_start_are_kept() -> None:
    plan = ask(replace_lost_runner, replace(observed(processing()), loss=LOST))
    assert plan
    assert plan.status
    assert plan.status.start_time == ago(5)
