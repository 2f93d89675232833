"""The time to live of ended jobs."""

import pytest

from tests.unit.operator.builders import (
    ask,
    condition,
    ended,
    observed,
    processing,
)
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.jobs.plan import JobPlan
from wherry_operator.jobs.policies.expiry import delete_expired, keep_ended
from wherry_operator.jobs.ttl import lifetime
from wherry_operator.policies import Stop

DAY, HOUR = 86_400, 3_600
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
    assert ask(delete_expired, observed(ended(Phase.COMPLETED, DAY - 1))) is None
    plan = ask(delete_expired, observed(ended(Phase.COMPLETED, DAY)))
    assert plan
    assert plan.delete


def test_a_job_that_has_not_ended_does_not_expire() -> None:
    assert ask(delete_expired, observed(processing())) is None


def test_an_ended_job_that_has_not_expired_is_left_alone() -> None:
    seen = observed(ended(Phase.COMPLETED))
    assert keep_ended(seen, JobPlan()) == Stop(JobPlan())
    assert keep_ended(observed(processing()), JobPlan()) is None
