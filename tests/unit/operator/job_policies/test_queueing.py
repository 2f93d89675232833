"""Waiting jobs are in the queue when they are due; unknown pools are waited for."""

import pytest

from tests.unit.operator.builders import NOW, ago, ahead, condition, observed, processing, queued
from wherry_core.resources import DownloadJob
from wherry_operator.job_plan import QueueChange
from wherry_operator.job_policies.queueing import queue_when_due
from wherry_operator.job_policies.unknown_pool import note_unknown_pool


@pytest.mark.parametrize(
    ("seen", "held", "change"),
    [
        (queued(), False, QueueChange.PUT),
        (queued(next_attempt_time=ago(0)), False, QueueChange.PUT),
        (queued(next_attempt_time=ahead(1)), False, QueueChange.LEAVE),
        (queued(), True, QueueChange.TAKE_OUT),
    ],
)
def test_a_due_job_is_in_the_queue(seen: DownloadJob, held: bool, change: QueueChange) -> None:
    plan = queue_when_due(observed(seen, held=held), NOW)
    assert plan
    assert plan.queue is change
    assert plan.status is None


def test_a_running_job_is_not_queued() -> None:
    assert queue_when_due(observed(processing()), NOW) is None


def test_a_missing_pool_is_noted_once_and_its_coming_too() -> None:
    plan = note_unknown_pool(observed(queued(), pool_exists=False), NOW)
    assert plan
    assert plan.status
    assert plan.story
    assert plan.queue is QueueChange.TAKE_OUT
    noted = queued(conditions=plan.status.conditions)
    again = note_unknown_pool(observed(noted, pool_exists=False), NOW)
    assert again
    assert (again.status, again.story) == (None, None)
    found = note_unknown_pool(observed(noted), NOW)
    assert found
    assert found.status
    assert found.status.conditions[0].status == "True"


def test_a_job_whose_pool_was_always_there_carries_no_condition() -> None:
    assert note_unknown_pool(observed(queued()), NOW) is None
    seen = queued(conditions=(condition("PoolFound"),))
    assert note_unknown_pool(observed(seen), NOW) is None
