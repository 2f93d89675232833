"""Who is asked to stop: at once where the operator itself has ended the job, else at two looks."""

import pytest

from tests.unit.operator.builders import NOW, RUNNER, ended, processing, queued
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.intake.job_view import JobView
from wherry_operator.runners.orphaned_attempts import Strays, Verdict, Work, find_strays, judge

WORK = Work("default", RUNNER, "tenant/job")
OTHER = "default-runner-1"


@pytest.mark.parametrize(
    ("job", "verdict"),
    [
        (None, Verdict.DOUBTFUL),
        (queued(phase=None, attempt=0), Verdict.RIGHT),
        (queued(), Verdict.RIGHT),
        (queued(attempt=2), Verdict.RIGHT),
        (processing(), Verdict.RIGHT),
        (processing(spec={"suspend": True}), Verdict.RIGHT),
        (processing(spec={"cancel": True}), Verdict.RIGHT),
        (processing(runner=None), Verdict.RIGHT),
        (processing(runner=OTHER), Verdict.DOUBTFUL),
        (processing(metadata={"deletionTimestamp": NOW}), Verdict.DOUBTFUL),
        (ended(Phase.CANCELLED), Verdict.OVER),
        (ended(Phase.FAILED), Verdict.OVER),
        (ended(Phase.COMPLETED, runner=RUNNER), Verdict.DOUBTFUL),
        (ended(Phase.COMPLETED, runner=OTHER), Verdict.DOUBTFUL),
    ],
)
def test_whether_work_on_a_job_may_go_on(job: DownloadJob | None, verdict: Verdict) -> None:
    assert judge(WORK, JobView(job, 1) if job else None) is verdict


@pytest.mark.parametrize(
    ("job", "earlier", "found"),
    [
        (processing(), {WORK}, Strays()),
        (None, set(), Strays(doubtful=frozenset({WORK}))),
        (None, {WORK}, Strays(stop=frozenset({WORK}), doubtful=frozenset({WORK}))),
        (ended(Phase.CANCELLED), set(), Strays(stop=frozenset({WORK}))),
        (
            processing(runner=OTHER),
            {Work("default", OTHER, WORK.job)},
            Strays(doubtful=frozenset({WORK})),
        ),
    ],
)
def test_doubtful_work_is_stopped_at_the_second_look(
    job: DownloadJob | None, earlier: set[Work], found: Strays
) -> None:
    views = {WORK.job: JobView(job, 1)} if job else {}
    assert find_strays([WORK], views, frozenset(earlier)) == found


def test_only_the_runner_that_lost_the_job_is_asked() -> None:
    right = Work("default", OTHER, WORK.job)
    views = {WORK.job: JobView(processing(runner=OTHER), 1)}
    first = find_strays([WORK, right], views, frozenset())
    second = find_strays([WORK, right], views, first.doubtful)
    assert first.stop == frozenset()
    assert second.stop == {WORK}


def test_who_has_stopped_is_asked_no_more() -> None:
    first = find_strays([WORK], {}, frozenset())
    assert find_strays([], {}, first.doubtful) == Strays()
