"""Waiting jobs are in the queue when they are due; unknown pools are waited for."""

import pytest

from tests.unit.operator.builders import ago, ahead, ask, observed, processing, queued
from wherry_core.resources import DownloadJob
from wherry_operator.jobs.plan import QueueChange
from wherry_operator.jobs.policies.queueing import queue_when_due
from wherry_operator.jobs.policies.unknown_pool import wait_for_pool


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
    plan = ask(queue_when_due, observed(seen, held=held))
    assert plan
    assert plan.queue is change
    assert plan.status is None


def test_a_running_job_is_not_queued() -> None:
    assert ask(queue_when_due, observed(processing())) is None


def test_a_job_whose_pool_is_missing_is_not_in_the_queue() -> None:
    plan = ask(wait_for_pool, observed(queued(), pool_exists=False))
    assert plan
    assert plan.queue is QueueChange.TAKE_OUT
    assert "no RunnerPool named default" in plan.message


def test_only_a_queued_job_waits_for_a_pool() -> None:
    assert ask(wait_for_pool, observed(queued())) is None
    assert ask(wait_for_pool, observed(processing(), pool_exists=False)) is None
