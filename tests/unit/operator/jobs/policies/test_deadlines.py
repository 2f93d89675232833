"""What time does: the queue's timeout, the active deadline and the lifetime after the end."""

import pytest

from tests.unit.operator.builders import (
    NOW,
    RUNNER,
    ago,
    ahead,
    condition,
    ended,
    observed,
    processing,
    queued,
)
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.jobs.plan import NOTHING, QueueChange, lifetime, next_moment
from wherry_operator.jobs.policies.active_deadline import fail_at_deadline
from wherry_operator.jobs.policies.lifetime import end_lifetime
from wherry_operator.jobs.policies.queue_timeout import fail_after_waiting

DAY, HOUR = 86_400, 3_600


def test_a_job_that_waited_too_long_says_what_it_waited_for() -> None:
    waiting = condition("Waiting").model_copy(update={"reason": "PoolPaused"})
    plan = fail_after_waiting(observed(queued(queued_time=ago(HOUR), conditions=(waiting,))), NOW)
    assert plan
    assert plan.message.endswith("3600 seconds. The last reason for waiting was PoolPaused.")


def test_a_job_waits_for_an_hour() -> None:
    assert fail_after_waiting(observed(queued(queued_time=ago(HOUR - 1))), NOW) is None
    plan = fail_after_waiting(observed(queued(queued_time=ago(HOUR))), NOW)
    assert plan
    assert plan.status
    assert (plan.status.phase, plan.reason) == (Phase.FAILED, "QueueTimeout")
    assert plan.queue is QueueChange.TAKE_OUT


def test_a_missing_pool_is_named_as_the_cause() -> None:
    seen = queued(queued_time=ago(HOUR), spec={"pool": "big"})
    plan = fail_after_waiting(observed(seen, pool_exists=False), NOW)
    assert plan
    assert "no pool named big" in plan.message


@pytest.mark.parametrize(
    "patient",
    [
        queued(queued_time=ago(2 * HOUR), spec={"suspend": True}),
        queued(queued_time=ago(2 * HOUR), next_attempt_time=ago(60)),
        queued(queued_time=ago(2 * HOUR), spec={"queueTimeoutSeconds": 3 * HOUR}),
        processing(queued_time=ago(2 * HOUR)),
    ],
)
def test_suspension_backoff_and_work_are_no_waiting(patient: DownloadJob) -> None:
    assert fail_after_waiting(observed(patient), NOW) is None


LIMITED = {"activeDeadlineSeconds": 60}


@pytest.mark.parametrize(
    "late",
    [
        processing(start_time=ago(60), spec=LIMITED),
        queued(start_time=ago(60), spec=LIMITED, attempt=2),
        queued(start_time=ago(99), spec={**LIMITED, "suspend": True}),
    ],
)
def test_the_active_deadline_ends_a_job_wherever_it_stands(late: DownloadJob) -> None:
    plan = fail_at_deadline(observed(late), NOW)
    assert plan
    assert plan.status
    assert (plan.status.phase, plan.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert plan.stop_runner == late.status.runner


@pytest.mark.parametrize(
    "timely",
    [
        processing(start_time=ago(59), spec=LIMITED),
        processing(start_time=ago(DAY)),
        queued(spec=LIMITED),
        ended(Phase.COMPLETED, start_time=ago(99), spec=LIMITED),
    ],
)
def test_the_active_deadline_spares_others(timely: DownloadJob) -> None:
    assert fail_at_deadline(observed(timely), NOW) is None


DEAD = (condition("Failed"), condition("DeadLettered"))


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        (ended(Phase.COMPLETED), DAY),
        (ended(Phase.FAILED), HOUR),
        (ended(Phase.CANCELLED), HOUR),
        (ended(Phase.FAILED, conditions=DEAD), 7 * DAY),
        (ended(Phase.COMPLETED, spec={"ttlSecondsAfterFinished": 0}), 0),
        (ended(Phase.FAILED, conditions=DEAD, spec={"ttlSecondsAfterFinished": 9}), 9),
    ],
)
def test_how_long_an_ended_job_is_kept(seen: DownloadJob, seconds: int) -> None:
    assert lifetime(seen, observed(seen).rules).total_seconds() == seconds


def test_an_ended_job_is_deleted_at_the_end_of_its_lifetime() -> None:
    assert end_lifetime(observed(ended(Phase.COMPLETED, DAY - 1)), NOW) is NOTHING
    plan = end_lifetime(observed(ended(Phase.COMPLETED, DAY)), NOW)
    assert plan
    assert plan.delete


def test_a_job_that_has_not_ended_is_kept() -> None:
    assert end_lifetime(observed(processing()), NOW) is None


@pytest.mark.parametrize(
    ("seen", "moment"),
    [
        (queued(), ahead(20)),
        (queued(queued_time=ago(31)), ahead(HOUR - 31)),
        (queued(next_attempt_time=ahead(5)), ahead(5)),
        (queued(start_time=ago(35), queued_time=ago(35), spec=LIMITED), ahead(25)),
        (processing(spec=LIMITED), ahead(55)),
        (processing(), None),
        (queued(spec={"suspend": True}), None),
        (ended(Phase.COMPLETED, 10), ahead(DAY - 10)),
    ],
)
def test_the_next_look_is_at_the_next_moment_that_matters(
    seen: DownloadJob, moment: object
) -> None:
    assert next_moment(observed(seen), NOW) == moment
    assert seen.status.runner in {None, RUNNER}
