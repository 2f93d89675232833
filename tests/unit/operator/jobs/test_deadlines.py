"""The moments at which time alone changes a decision."""

import pytest

from tests.unit.operator.builders import (
    NOW,
    ago,
    ahead,
    ended,
    job,
    observed,
    processing,
    queued,
)
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.jobs.deadlines import could_run, next_moment

DAY, HOUR = 86_400, 3_600
LIMITED = {"activeDeadlineSeconds": 60}


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
def test_the_next_decision_is_at_the_next_moment_that_matters(
    seen: DownloadJob, moment: object
) -> None:
    assert next_moment(observed(seen)) == moment


@pytest.mark.parametrize(
    ("seen", "held", "expected"),
    [
        (job(), False, True),
        (queued(), False, True),
        (queued(), True, False),
        (queued(next_attempt_time=ahead(1)), False, False),
        (queued(next_attempt_time=ahead(1)), True, False),
        (queued(next_attempt_time=NOW), False, True),
        (queued(spec={"suspend": True}), False, False),
        (queued(spec={"cancel": True}), False, False),
        (queued(metadata={"deletionTimestamp": ago(1)}), False, False),
        (processing(), False, False),
        (ended(Phase.FAILED), False, False),
    ],
)
def test_which_jobs_a_free_runner_could_take(seen: DownloadJob, held: bool, expected: bool) -> None:
    assert could_run(seen, held=held, now=NOW) is expected
