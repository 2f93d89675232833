"""Which runners work on a job that is no longer theirs: a pure decision over what was seen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from wherry_core.resources import Phase
from wherry_operator.intake.job_view import JobView


@dataclass(frozen=True, slots=True)
class Work:
    """A job (``namespace/name``) that a runner says it works on."""

    pool: str
    runner: str
    job: str


@dataclass(frozen=True, slots=True)
class Strays:
    """What one look at all runners found."""

    stop: frozenset[Work] = frozenset()
    """Work to stop now."""
    doubtful: frozenset[Work] = frozenset()
    """Work to stop if the next look finds it doubtful, too."""


class Verdict(Enum):
    """Whether work on a job may go on."""

    RIGHT = "right"
    DOUBTFUL = "doubtful"
    """Perhaps it begins or ends at this very moment."""
    OVER = "over"


def judge(work: Work, view: JobView | None) -> Verdict:
    """Return whether ``work`` may go on, given its job as it is now (None: there is none).

    Work on a job that waits is right: its runner may be about to claim it. Failed and Cancelled
    are written by the operator alone, so that whoever still works on such a job was not told.
    """
    if view is None or view.job.metadata.deletion_timestamp is not None:
        return Verdict.DOUBTFUL
    phase = view.job.status.phase
    if phase in {Phase.FAILED, Phase.CANCELLED}:
        return Verdict.OVER
    if phase is Phase.COMPLETED or view.claimed_by not in {None, work.runner}:
        return Verdict.DOUBTFUL
    return Verdict.RIGHT


def find_strays(
    begun: Iterable[Work], jobs: Mapping[str, JobView], earlier: frozenset[Work]
) -> Strays:
    """Return what to stop of ``begun``, given what was ``doubtful`` at the look before."""
    verdicts = {work: judge(work, jobs.get(work.job)) for work in begun}
    doubtful = frozenset(work for work, found in verdicts.items() if found is Verdict.DOUBTFUL)
    over = frozenset(work for work, found in verdicts.items() if found is Verdict.OVER)
    return Strays(stop=over | (doubtful & earlier), doubtful=doubtful)
