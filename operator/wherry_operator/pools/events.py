"""The Events of a pool: runners that were started, asked to leave, or that ended."""

from collections.abc import Iterable, Sequence
from typing import Final

from wherry_core.resources import RunnerPoolStatus
from wherry_core.resources.names import PoolCondition, PoolReason
from wherry_operator.event_recorder import Event
from wherry_operator.intake.pod_view import PodView

MAX_NAMES: Final = 3
"""Number of runners that one Event names."""
RECORDED_CONDITIONS: Final = frozenset({PoolCondition.UNSCHEDULABLE, PoolCondition.PAUSED})
RECORDED_REASONS: Final = frozenset(
    {PoolReason.RUNNERS_FAIL, PoolReason.RUNNERS_DO_NOT_START, PoolReason.MAX_RUNNERS_ZERO}
)


def started(runners: Sequence[str], desired: int) -> Event:
    """Return the Event of runner pods that were created."""
    message = f"Started {_listed(runners)}. The jobs need {_counted(desired)}."
    return Event(PoolReason.RUNNERS_STARTED, message)


def drained(runners: Sequence[str], desired: int) -> Event:
    """Return the Event of idle runners that were asked to leave."""
    message = f"Asked to leave because idle: {_listed(runners)}. The jobs need {_counted(desired)}."
    return Event(PoolReason.RUNNERS_DRAINED, message)


def retired(runners: Sequence[str]) -> Event:
    """Return the Event of runners that were asked to take no more jobs."""
    return Event(
        PoolReason.RUNNERS_RETIRED,
        "The pool's template has changed. Asked to take no more jobs and to leave when idle: "
        f"{_listed(runners)}.",
    )


def refused(message: str) -> Event:
    """Return the Event of a runner pod that cannot be created."""
    return Event(PoolReason.RUNNER_REFUSED, message, warning=True)


def ended(pod: PodView) -> Event | None:
    """Return the Event of a pod that is deleted, or None when it ended without an error."""
    if not pod.ended:
        message = f"The runner {pod.name} has sent no heartbeat and is deleted."
        return Event(PoolReason.RUNNER_UNRESPONSIVE, message, warning=True)
    if pod.failed and pod.end is not None:
        return Event(pod.end.reason, pod.end.message, warning=True)
    return None


def of_conditions(old: RunnerPoolStatus, new: RunnerPoolStatus) -> Iterable[Event]:
    """Yield the Events of the conditions that have changed and that a person should see."""
    before = {each.type: (each.status, each.reason) for each in old.conditions}
    for condition in new.conditions:
        recorded = condition.type in RECORDED_CONDITIONS or condition.reason in RECORDED_REASONS
        if not recorded or before.get(condition.type) == (condition.status, condition.reason):
            continue
        unschedulable = condition.type == PoolCondition.UNSCHEDULABLE and condition.status == "True"
        warning = unschedulable or condition.type == PoolCondition.AVAILABLE
        yield Event(condition.reason, condition.message, warning=warning)


def _listed(runners: Sequence[str]) -> str:
    names = ", ".join(runners[:MAX_NAMES])
    more = len(runners) - MAX_NAMES
    return f"{names} and {more} more" if more > 0 else names


def _counted(runners: int) -> str:
    return "1 runner" if runners == 1 else f"{runners} runners"
