"""The time that a job may wait for a runner."""

import pytest

from tests.unit.operator.builders import (
    ago,
    ask,
    condition,
    observed,
    processing,
    queued,
)
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.jobs.plan import QueueChange
from wherry_operator.jobs.policies.queue_timeout import fail_after_waiting

HOUR = 3_600


def test_the_message_names_the_last_reason_for_waiting() -> None:
    waiting = condition("Waiting").model_copy(update={"reason": "PoolPaused"})
    plan = ask(fail_after_waiting, observed(queued(queued_time=ago(HOUR), conditions=(waiting,))))
    assert plan
    assert plan.message.endswith("of 3600. The last reason for waiting was PoolPaused.")


def test_a_job_waits_for_an_hour() -> None:
    assert ask(fail_after_waiting, observed(queued(queued_time=ago(HOUR - 1)))) is None
    plan = ask(fail_after_waiting, observed(queued(queued_time=ago(HOUR))))
    assert plan
    assert plan.status
    assert (plan.status.phase, plan.reason) == (Phase.FAILED, "QueueTimeout")
    assert plan.queue is QueueChange.TAKE_OUT


def test_a_missing_pool_is_named_as_the_cause() -> None:
    seen = queued(queued_time=ago(HOUR), spec={"pool": "big"})
    plan = ask(fail_after_waiting, observed(seen, pool_exists=False))
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
def test_suspension_backoff_and_work_do_not_count_as_waiting(patient: DownloadJob) -> None:
    assert ask(fail_after_waiting, observed(patient)) is None
