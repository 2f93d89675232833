"""Which runners work on a job that is no longer theirs: a pure decision."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import Phase
from wherry_operator.intake.job_view import JobView


@dataclass(frozen=True, slots=True)
class Attempt:
    """A job (``namespace/name``) that a runner says it works on."""

    pool: str
    runner: RunnerId
    job: str


@dataclass(frozen=True, slots=True)
class Orphans:
    """What one reading of all runners found."""

    stop: frozenset[Attempt] = frozenset()
    """Attempts to stop now."""
    doubtful: frozenset[Attempt] = frozenset()
    """Attempts to stop if the next reading finds them doubtful, too."""


class Verdict(Enum):
    """Whether an attempt may continue."""

    RIGHT = "right"
    DOUBTFUL = "doubtful"
    """The attempt may begin or end at this very moment."""
    OVER = "over"


def judge(attempt: Attempt, view: JobView | None) -> Verdict:
    """Return whether ``attempt`` may continue; ``view`` None stands for a job that is gone.

    An attempt at a queued job is right, because its runner may be about to claim it. Failed and
    Cancelled are written by the operator alone, so a runner that still works on such a job does
    not know it yet.
    """
    if view is None or view.job.metadata.deletion_timestamp is not None:
        return Verdict.DOUBTFUL
    phase = view.job.status.phase
    if phase in {Phase.FAILED, Phase.CANCELLED}:
        return Verdict.OVER
    if phase is Phase.COMPLETED or not _may_be(view.runner_id, attempt.runner):
        return Verdict.DOUBTFUL
    return Verdict.RIGHT


def _may_be(claimed_by: RunnerId | None, runner: RunnerId) -> bool:
    """Return whether a job is not claimed, or by ``runner``; a claim of 0.1 names no uid."""
    if claimed_by is None or claimed_by == runner:
        return True
    return claimed_by.name == runner.name and "" in {claimed_by.uid, runner.uid}


def find_orphans(
    begun: Iterable[Attempt],
    jobs: Mapping[str, JobView],
    unreadable: Container[str],
    earlier: frozenset[Attempt],
) -> Orphans:
    """Return which attempts of ``begun`` to stop.

    ``earlier`` are those that were doubtful at the last reading. Attempts at a job that the
    operator cannot read (``unreadable``) are left alone, like the job itself.
    """
    verdicts = {
        attempt: judge(attempt, jobs.get(attempt.job))
        for attempt in begun
        if attempt.job not in unreadable
    }
    doubtful = frozenset(each for each, found in verdicts.items() if found is Verdict.DOUBTFUL)
    over = frozenset(each for each, found in verdicts.items() if found is Verdict.OVER)
    return Orphans(stop=over | (doubtful & earlier), doubtful=doubtful)
