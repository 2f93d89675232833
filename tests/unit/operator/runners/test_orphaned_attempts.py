"""Which attempts are stopped: at once when the operator ended the job, else at two readings."""

import pytest

from tests.unit.operator.builders import NOW, RUNNER, ended, processing, queued
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.intake.job_view import JobView
from wherry_operator.runners.orphaned_attempts import Attempt, Orphans, Verdict, find_orphans, judge

ATTEMPT = Attempt("default", RunnerId(RUNNER), "tenant/job")
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
def test_whether_an_attempt_may_continue(job: DownloadJob | None, verdict: Verdict) -> None:
    assert judge(ATTEMPT, JobView(job, 1) if job else None) is verdict


@pytest.mark.parametrize(
    ("job", "earlier", "found"),
    [
        (processing(), {ATTEMPT}, Orphans()),
        (None, set(), Orphans(doubtful=frozenset({ATTEMPT}))),
        (None, {ATTEMPT}, Orphans(stop=frozenset({ATTEMPT}), doubtful=frozenset({ATTEMPT}))),
        (ended(Phase.CANCELLED), set(), Orphans(stop=frozenset({ATTEMPT}))),
        (
            processing(runner=OTHER),
            {Attempt("default", RunnerId(OTHER), ATTEMPT.job)},
            Orphans(doubtful=frozenset({ATTEMPT})),
        ),
    ],
)
def test_a_doubtful_attempt_is_stopped_at_the_second_reading(
    job: DownloadJob | None, earlier: set[Attempt], found: Orphans
) -> None:
    views = {ATTEMPT.job: JobView(job, 1)} if job else {}
    assert find_orphans([ATTEMPT], views, (), frozenset(earlier)) == found


def test_only_the_runner_that_lost_the_job_is_asked_to_stop() -> None:
    right = Attempt("default", RunnerId(OTHER), ATTEMPT.job)
    views = {ATTEMPT.job: JobView(processing(runner=OTHER), 1)}
    first = find_orphans([ATTEMPT, right], views, (), frozenset())
    second = find_orphans([ATTEMPT, right], views, (), first.doubtful)
    assert first.stop == frozenset()
    assert second.stop == {ATTEMPT}


def test_an_attempt_that_has_stopped_is_not_asked_again() -> None:
    first = find_orphans([ATTEMPT], {}, (), frozenset())
    assert find_orphans([], {}, (), first.doubtful) == Orphans()


@pytest.mark.parametrize(
    ("claimed_uid", "uid", "verdict"),
    [
        ("a", "a", Verdict.RIGHT),
        ("a", "b", Verdict.DOUBTFUL),
        (None, "a", Verdict.RIGHT),
        ("a", "", Verdict.RIGHT),
    ],
    ids=["same pod", "a later pod of the name", "claimed by 0.1", "runner of 0.1"],
)
def test_a_runner_is_its_pod(claimed_uid: str | None, uid: str, verdict: Verdict) -> None:
    attempt = Attempt("default", RunnerId(RUNNER, uid), "tenant/job")
    assert judge(attempt, JobView(processing(runner_uid=claimed_uid), 1)) is verdict


def test_an_attempt_at_an_unreadable_job_is_left_alone() -> None:
    assert find_orphans([ATTEMPT], {}, {ATTEMPT.job}, frozenset({ATTEMPT})) == Orphans()
