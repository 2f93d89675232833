"""What a waiting job tells: when, why, and when no more."""

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
from wherry_operator.jobs.decision import plan_job
from wherry_operator.jobs.plan import Note, QueueChange
from wherry_operator.jobs.policies.waiting import wants_note

LONG = ago(31)
TURN: dict[str, Any] = {"pool": pool(paused=True), "may_explain": True}


def waiting(reason: str = "PoolPaused", *, value: bool = True) -> Condition:
    return condition("Waiting", value=value).model_copy(update={"reason": reason})


def told(seen: DownloadJob, **changes: Any) -> tuple[str, str] | None:
    """Return status and reason of the condition as the decision writes it, None if it does not."""
    plan = plan_job(observed(seen, **changes), NOW)
    conditions = plan.status.conditions if plan.status else ()
    new = [each for each in conditions if each.type == "Waiting"]
    before = [each for each in seen.status.conditions if each.type == "Waiting"]
    return (new[0].status, new[0].reason) if new != before else None


@pytest.mark.parametrize(
    ("seen", "changes", "reason"),
    [
        (queued(queued_time=LONG), {}, "PoolPaused"),
        (queued(queued_time=LONG), {"held": True}, "TenantLimit"),
        (queued(queued_time=LONG), {"redis_away": True}, "RedisAway"),
        (queued(queued_time=LONG), {"pool_exists": False, "pool": None}, "PoolNotFound"),
        (queued(queued_time=LONG, next_attempt_time=ahead(5)), {}, "WaitingForRetry"),
        (queued(queued_time=ago(50), next_attempt_time=ago(31)), {}, "PoolPaused"),
        (queued(queued_time=ago(5), conditions=(waiting("Other"),)), {}, "PoolPaused"),
        (queued(queued_time=LONG, conditions=(waiting(value=False),)), {}, "PoolPaused"),
    ],
)
def test_a_job_that_waits_tells_why(
    seen: DownloadJob, changes: dict[str, Any], reason: str
) -> None:
    assert told(seen, **{**TURN, **changes}) == ("True", reason)
    later = plan_job(observed(seen, **{**TURN, **changes, "may_explain": False}), NOW)
    assert (later.note, later.status) == (Note.WANTED, None)
    assert wants_note(observed(seen, **{**TURN, **changes}), NOW)


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
    plan = plan_job(observed(seen, **TURN), NOW)
    assert (plan.status, plan.note) == (None, Note.NONE)
    assert not wants_note(observed(seen, **TURN), NOW)


def test_the_sentence_says_what_to_do() -> None:
    plan = plan_job(observed(queued(queued_time=LONG), **TURN), NOW)
    assert plan.status
    assert plan.status.conditions[0].message.startswith(
        "The pool default is paused. To go on: kubectl patch rpool default -n wherry"
    )
    assert plan.note is Note.WRITTEN
    assert plan.queue is QueueChange.PUT
    assert plan.event is None


def test_it_is_looked_at_again_when_it_has_waited_for_long() -> None:
    assert plan_job(observed(queued(), **TURN), NOW).look_again == ahead(20)
    pause = queued(queued_time=NOW, next_attempt_time=ahead(60))
    assert plan_job(observed(pause, **TURN), NOW).look_again == ahead(30)
    known = queued(queued_time=LONG, conditions=(waiting(),))
    look_again = plan_job(observed(known, **TURN), NOW).look_again
    assert look_again
    assert look_again > ahead(3_000)


def test_a_new_job_without_a_pool_says_so_in_its_first_write() -> None:
    plan = plan_job(observed(job(), pool_exists=False), NOW)
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert plan.status.conditions[0].reason == "PoolNotFound"
    assert plan.event
    assert (plan.event.reason, plan.event.warning) == ("PoolNotFound", True)


def test_a_condition_that_no_longer_holds_is_put_right_by_any_write() -> None:
    seen = queued(metadata={"generation": 2}, conditions=(waiting("PoolNotFound"),))
    assert told(seen, pool=pool(maxRunners=0)) == ("True", "MaxRunnersZero")


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
    assert told(seen, **TURN) == ("False", reason)


def test_an_attempt_that_failed_waits_anew() -> None:
    seen = processing(runner=None, failures=(failure(),), conditions=(waiting(value=False),))
    plan = plan_job(observed(seen, **TURN), NOW)
    assert plan.status
    assert plan.status.phase is Phase.QUEUED
    assert plan.status.conditions[0].status == ConditionStatus.FALSE
