"""What a pool's Events tell: runners that were started, asked to leave, or came to an end."""

from collections.abc import Sequence
from typing import Final

from wherry_operator.event_recorder import Event
from wherry_operator.intake.pod_view import PodView

NAMED: Final = 3
"""Runners that one Event names at the most."""


def started(runners: Sequence[str], desired: int) -> Event:
    """Return the Event of runner pods that were created."""
    message = f"Started {_listed(runners)}. Runners that the jobs ask for: {desired}."
    return Event("RunnersStarted", message)


def drained(runners: Sequence[str], desired: int, *, old_template: bool) -> Event:
    """Return the Event of idle runners that were asked to leave."""
    why = (
        "The pool's template has changed."
        if old_template
        else f"Runners that the jobs ask for: {desired}."
    )
    return Event("RunnersDrained", f"Asked to leave, for idle: {_listed(runners)}. {why}")


def retired(runners: Sequence[str]) -> Event:
    """Return the Event of busy runners that were asked to take no more jobs."""
    return Event(
        "RunnersRetired",
        f"Asked to leave after their present jobs: {_listed(runners)}. "
        "The pool's template has changed.",
    )


def ended(pod: PodView) -> Event | None:
    """Return the Event of a pod that is deleted, or None when it left in order."""
    if not pod.ended:
        return Event("RunnerSilent", f"The runner {pod.name} was not heard of.", warning=True)
    if pod.failed and pod.end is not None:
        return Event(pod.end.reason, pod.end.message, warning=True)
    return None


def _listed(runners: Sequence[str]) -> str:
    names = ", ".join(runners[:NAMED])
    return names if len(runners) <= NAMED else f"{names} and {len(runners) - NAMED} more"
