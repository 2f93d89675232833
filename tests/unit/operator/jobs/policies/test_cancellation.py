"""Cancelling, at any moment."""

import pytest

from tests.unit.operator.builders import (
    NOW,
    RUNNER,
    ago,
    condition,
    job,
    observed,
    processing,
    queued,
)
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.jobs.plan import QueueChange
from wherry_operator.jobs.policies.cancellation import cancel

CANCEL = {"cancel": True}


@pytest.mark.parametrize(
    ("seen", "runner"),
    [
        (job(spec=CANCEL), None),
        (queued(spec=CANCEL), None),
        (processing(spec=CANCEL), RUNNER),
        (processing(spec=CANCEL, runner=None), None),
        (queued(spec={**CANCEL, "suspend": True}), None),
    ],
)
def test_a_job_is_cancelled_wherever_it_stands(seen: DownloadJob, runner: str | None) -> None:
    plan = cancel(observed(seen), NOW)
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.CANCELLED
    assert plan.status.completion_time == NOW
    assert plan.status.runner is None
    assert plan.status.files.total == 2
    assert plan.queue is QueueChange.TAKE_OUT
    assert plan.stop_runner == runner


@pytest.mark.parametrize(
    ("seen", "tidy"),
    [
        (queued(spec=CANCEL), False),
        (queued(spec=CANCEL, start_time=ago(9)), True),
        (processing(spec=CANCEL), False),
    ],
)
def test_leftovers_are_removed_unless_a_runner_does_it(seen: DownloadJob, tidy: bool) -> None:
    plan = cancel(observed(seen), NOW)
    assert plan
    assert plan.tidy is tidy


def test_other_jobs_are_not_cancelled() -> None:
    assert cancel(observed(processing()), NOW) is None


def test_what_held_the_job_holds_it_no_more() -> None:
    seen = queued(spec=CANCEL, conditions=(condition("Suspended"), condition("Waiting")))
    plan = cancel(observed(seen), NOW)
    assert plan
    assert plan.status
    told = [(each.type, each.status, each.reason) for each in plan.status.conditions]
    assert told == [("Suspended", "False", "Cancelled"), ("Waiting", "False", "Cancelled")]
