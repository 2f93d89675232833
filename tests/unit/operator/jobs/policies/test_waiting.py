"""The condition Waiting: when it is set, why, and when it ends."""

from typing import Any

import pytest

from tests.unit.operator.builders import (
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
from wherry_core.resources import Condition, ConditionStatus, DownloadJob, Phase
from wherry_operator.jobs.plan import JobPlan, QueueChange
from wherry_operator.jobs.policies import plan_job

LONG = ago(31)
PAUSED: dict[str, Any] = {"pool": pool(paused=True)}


def waiting(reason: str = "PoolPaused", *, value: bool = True) -> Condition:
    return condition("Waiting", value=value).model_copy(update={"reason": reason})


def written(seen: DownloadJob, plan: JobPlan) -> tuple[str, str] | None:
    """Return status and reason of the condition as ``plan`` writes it, None if it does not."""
    status = plan.status or (plan.explanation.status if plan.explanation else None)
    conditions = status.conditions if status else ()
    new = [each for each in conditions if each.type == "Waiting"]
    before = [each for each in seen.status.conditions if each.type == "Waiting"]
    return (new[0].status, new[0].reason) if new != before else None


@pytest.mark.parametrize(
    ("seen", "changes", "reason"),
    [
        (queued(queued_time=LONG), {}, "PoolPaused"),
        (queued(queued_time=LONG), {"held": True}, "TenantLimit"),
        (queued(queued_time=LONG), {"redis_unavailable": True}, "RedisUnavailable"),
        (queued(queued_time=LONG), {"pool_exists": False, "pool": None}, "PoolNotFound"),
        (queued(queued_time=LONG), {"pool": None}, "PoolUnreadable"),
        (queued(queued_time=LONG, next_attempt_time=ahead(5)), {}, "WaitingForRetry"),
        (queued(queued_time=ago(50), next_attempt_time=ago(31)), {}, "PoolPaused"),
        (queued(queued_time=ago(5), conditions=(waiting("Other"),)), {}, "PoolPaused"),
        (queued(queued_time=LONG, conditions=(waiting(value=False),)), {}, "PoolPaused"),
    ],
)
def test_a_job_that_has_waited_for_some_time_says_why(
    seen: DownloadJob, changes: dict[str, Any], reason: str
) -> None:
    """When nothing else is to be written, the write is an explanation of lower urgency."""
    plan = plan_job(observed(seen, **{**PAUSED, **changes}))
    assert written(seen, plan) == ("True", reason)
    assert plan.status is None
    assert plan.explanation
    given = any(each.status == "True" for each in seen.status.conditions)
    assert plan.explanation.first is not given


@pytest.mark.parametrize(
    "seen",
    [
        queued(queued_time=ago(29)),
        queued(queued_time=ago(50), next_attempt_time=ago(29)),
        queued(queued_time=ago(29), next_attempt_time=ahead(60)),
        queued(queued_time=LONG, conditions=(waiting(),)),
        queued(queued_time=LONG, spec={"suspend": True}, conditions=(condition("Suspended"),)),
        queued(queued_time=LONG, metadata={"deletionTimestamp": ago(1)}),
        processing(queued_time=LONG),
        processing(conditions=(waiting(),)),
        ended(Phase.CANCELLED, conditions=(waiting(),)),
    ],
)
def test_nothing_is_written_too_early_or_twice_or_when_it_does_not_wait(seen: DownloadJob) -> None:
    plan = plan_job(observed(seen, **PAUSED))
    assert (plan.status, plan.explanation) == (None, None)


def test_the_sentence_says_what_to_do() -> None:
    plan = plan_job(observed(queued(queued_time=LONG), **PAUSED))
    assert plan.explanation
    assert plan.explanation.status.conditions[0].message.startswith(
        "The pool default is paused. To resume it: kubectl patch rpool default -n wherry"
    )
    assert plan.queue is QueueChange.PUT
    assert (plan.event, plan.explanation.event) == (None, None)


def test_a_waiting_job_is_requeued_when_it_should_say_why() -> None:
    assert plan_job(observed(queued(), **PAUSED)).requeue_at == ahead(20)
    pause = queued(queued_time=NOW, next_attempt_time=ahead(60))
    assert plan_job(observed(pause, **PAUSED)).requeue_at == ahead(30)
    known = queued(queued_time=LONG, conditions=(waiting(),))
    requeue_at = plan_job(observed(known, **PAUSED)).requeue_at
    assert requeue_at
    assert requeue_at > ahead(3_000)


def test_a_job_whose_pool_is_deleted_records_an_event_with_its_explanation() -> None:
    plan = plan_job(observed(queued(), pool_exists=False))
    assert plan.event is None
    assert plan.explanation
    assert plan.explanation.event
    assert plan.explanation.event.reason == "PoolNotFound"


def test_a_new_job_without_a_pool_says_so_in_its_first_write() -> None:
    plan = plan_job(observed(job(), pool_exists=False))
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert plan.status.conditions[0].reason == "PoolNotFound"
    assert plan.event
    assert (plan.event.reason, plan.event.warning) == ("PoolNotFound", True)


def test_any_write_updates_a_stale_condition() -> None:
    seen = queued(metadata={"generation": 2}, conditions=(waiting("PoolNotFound"),))
    plan = plan_job(observed(seen, pool=pool(maxRunners=0)))
    assert plan.status
    assert written(seen, plan) == ("True", "MaxRunnersZero")


HELD = (waiting(),)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (queued(spec={"cancel": True}, conditions=HELD), "Cancelled"),
        (queued(spec={"suspend": True}, conditions=HELD), "Suspended"),
        (queued(queued_time=ago(4_000), conditions=HELD), "QueueTimeout"),
        (
            queued(start_time=ago(90), spec={"activeDeadlineSeconds": 60}, conditions=HELD),
            "DeadlineExceeded",
        ),
    ],
)
def test_the_write_that_ends_the_wait_ends_the_condition(seen: DownloadJob, reason: str) -> None:
    plan = plan_job(observed(seen, **PAUSED))
    assert plan.status
    assert written(seen, plan) == ("False", reason)


def test_a_job_whose_attempt_failed_waits_again() -> None:
    seen = processing(runner=None, failures=(failure(),), conditions=(waiting(value=False),))
    plan = plan_job(observed(seen, **PAUSED))
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert plan.status.conditions[0].status == ConditionStatus.FALSE
