"""Cancelling, at any moment."""

import pytest

from tests.unit.operator.builders import (
    NOW,
    ago,
    ask,
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
    ("seen", "has_runner"),
    [
        (job(spec=CANCEL), False),
        (queued(spec=CANCEL), False),
        (processing(spec=CANCEL), True),
        (processing(spec=CANCEL, runner=None), False),
        (queued(spec={**CANCEL, "suspend": True}), False),
    ],
)
def test_a_job_is_cancelled_in_every_phase(seen: DownloadJob, has_runner: bool) -> None:
    plan = ask(cancel, observed(seen))
    assert plan
    assert plan.status
    assert plan.status.phase is Phase.CANCELLED
    assert plan.status.completion_time == NOW
    assert plan.status.runner is None
    assert plan.status.files.total == 2
    assert plan.queue is QueueChange.TAKE_OUT
    assert plan.stop_runner is has_runner


@pytest.mark.parametrize(
    ("seen", "clean_up"),
    [
        (queued(spec=CANCEL), False),
        (queued(spec=CANCEL, start_time=ago(9)), True),
        (processing(spec=CANCEL), False),
    ],
)
def test_leftovers_are_removed_unless_a_runner_does_it(seen: DownloadJob, clean_up: bool) -> None:
    plan = ask(cancel, observed(seen))
    assert plan
    assert plan.clean_up is clean_up


def test_other_jobs_are_not_cancelled() -> None:
    assert ask(cancel, observed(processing())) is None


def test_conditions_that_held_the_job_become_false() -> None:
    seen = queued(spec=CANCEL, conditions=(condition("Suspended"), condition("Waiting")))
    plan = ask(cancel, observed(seen))
    assert plan
    assert plan.status
    found = [(each.type, each.status, each.reason) for each in plan.status.conditions]
    assert found == [("Suspended", "False", "Cancelled"), ("Waiting", "False", "Cancelled")]
