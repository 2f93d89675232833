"""Attempts that their runners report as failed: three tries, with pauses of 1 and 5 seconds."""

import pytest

from tests.unit.operator.builders import NOW, ahead, ask, failure, observed, processing
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.names import JobCondition
from wherry_operator.jobs.plan import QueueChange
from wherry_operator.jobs.policies.failed_attempt import judge_failed_attempt
from wherry_operator.jobs.status_changes import condition_is_true, whole_second_after


def failed_attempt(number: int, *, retryable: bool = True, **changes: object) -> DownloadJob:
    return processing(
        runner=None,
        attempt=number,
        failed_attempts=number - 1,
        failures=(failure(number, retryable=retryable),),
        **changes,
    )


@pytest.mark.parametrize(("attempt", "pause"), [(1, 1), (2, 5)])
def test_a_failed_attempt_is_followed_by_another_after_a_pause(attempt: int, pause: int) -> None:
    plan = ask(judge_failed_attempt, observed(failed_attempt(attempt)))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert plan.status.attempt == attempt + 1
    assert plan.status.failed_attempts == attempt
    assert plan.status.next_attempt_time == ahead(pause)
    assert (plan.status.step, plan.status.progress) == (0, 0)
    assert plan.queue is not QueueChange.PUT
    assert plan.event
    assert plan.event.warning


def test_the_third_failed_attempt_is_the_last() -> None:
    plan = ask(judge_failed_attempt, observed(failed_attempt(3)))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.FAILED
    assert plan.status.completion_time == NOW
    assert condition_is_true(plan.status, JobCondition.FAILED)
    assert condition_is_true(plan.status, JobCondition.DEAD_LETTERED)
    assert plan.reason == "StoreUnavailable"
    assert "Attempt 3 was the last one" in plan.message


def test_what_cannot_succeed_is_not_tried_again_and_is_no_dead_letter() -> None:
    plan = ask(judge_failed_attempt, observed(failed_attempt(1, retryable=False)))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.FAILED
    assert not condition_is_true(plan.status, JobCondition.DEAD_LETTERED)


def test_no_retries_are_allowed_by_a_limit_of_zero() -> None:
    plan = ask(judge_failed_attempt, observed(failed_attempt(1, spec={"backoffLimit": 0})))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.FAILED


def test_more_retries_than_pauses_repeat_the_longest_pause() -> None:
    plan = ask(judge_failed_attempt, observed(failed_attempt(7, spec={"backoffLimit": 9})))
    assert plan
    assert plan.status
    assert plan.status.next_attempt_time == ahead(15)


@pytest.mark.parametrize(
    "other",
    [
        processing(),
        processing(runner=None),
        processing(runner=None, attempt=2, failures=(failure(1),)),
        processing(runner=None, failures=(failure(1, infrastructure=True),)),
    ],
)
def test_other_states_are_left_to_others(other: DownloadJob) -> None:
    assert ask(judge_failed_attempt, observed(other)) is None


def test_a_pause_is_never_shorter_than_said() -> None:
    assert whole_second_after(NOW) == NOW
    assert whole_second_after(NOW.replace(microsecond=1)) == ahead(1)
