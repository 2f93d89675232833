"""The time that a job may take from its first start."""

import pytest

from tests.unit.operator.builders import (
    ago,
    ask,
    ended,
    observed,
    processing,
    queued,
)
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.jobs.policies.active_deadline import fail_at_deadline

DAY = 86_400
LIMITED = {"activeDeadlineSeconds": 60}


@pytest.mark.parametrize(
    "late",
    [
        processing(start_time=ago(60), spec=LIMITED),
        queued(start_time=ago(60), spec=LIMITED, attempt=2),
    ],
)
def test_the_active_deadline_ends_a_waiting_and_a_running_job(late: DownloadJob) -> None:
    plan = ask(fail_at_deadline, observed(late))
    assert plan
    assert plan.status
    assert (plan.status.phase, plan.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert plan.stop_runner is (late.status.runner is not None)


@pytest.mark.parametrize(
    "timely",
    [
        processing(start_time=ago(59), spec=LIMITED),
        processing(start_time=ago(DAY)),
        queued(spec=LIMITED),
        queued(start_time=ago(99), spec={**LIMITED, "suspend": True}),
        processing(start_time=ago(99), spec={**LIMITED, "suspend": True}),
        ended(Phase.COMPLETED, start_time=ago(99), spec=LIMITED),
    ],
)
def test_the_active_deadline_spares_others(timely: DownloadJob) -> None:
    assert ask(fail_at_deadline, observed(timely)) is None
