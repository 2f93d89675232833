"""Reports objects that this release cannot read, such as those with a value from a newer CRD.

An unreadable object is left alone; a condition and an Event on it say so, and nothing else is
affected. Its status is patched as plain JSON, because there is no model for it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import (
    ConflictError,
    NotFoundError,
    RefusedError,
)
from wherry_core.kubernetes.paths import jobs_path, pools_path
from wherry_core.resources import RunnerPool
from wherry_core.resources.base import format_time
from wherry_core.resources.names import JobCondition
from wherry_operator.event_recorder import Event, EventRecorder, Regarding
from wherry_operator.intake.cache import Kind
from wherry_operator.intake.job_view import read_job
from wherry_operator.leadership import Leadership
from wherry_operator.reconciler import WorkQueue

logger = logging.getLogger(__name__)

READABLE: Final = JobCondition.READABLE.value
"""The same type for jobs and pools."""
UNREADABLE_REASON: Final = "UnknownValue"
READABLE_REASON: Final = "ValuesKnown"
MESSAGE_LENGTH: Final = 1_000
ERRORS_NAMED: Final = 3
RETRY_SECONDS: Final = 1.0

UNREADABLE_ERRORS: Final = (ValidationError, KeyError, TypeError, ValueError, AttributeError)
"""What reading an object of an unexpected shape raises."""


@dataclass(frozen=True)
class UnreadableObjects:
    """Keeps the condition Readable of jobs and pools up to date, on the replica that acts."""

    kubernetes: KubernetesClient
    events: EventRecorder
    leadership: Leadership
    namespace: str
    """Namespace of the pools."""
    queue: WorkQueue
    """Keys as :func:`key_of` returns them."""

    def add(self, kind: Kind, key: str) -> None:
        """Have the condition of an object checked soon; a pod has none."""
        if kind is not Kind.POD:
            self.queue.add(key_of(kind, key))

    async def reconcile(self, key: str) -> float | None:
        """Read an object again and write its condition. Raises KubernetesError."""
        if not self.leadership.may_act():
            return None
        kind, name = split_key(key)
        path = self._path(kind, name)
        try:
            raw = await self.kubernetes.request("GET", path)
        except NotFoundError:
            return None
        problem = why_unreadable(kind, raw)
        condition = condition_to_write(raw, problem, self.kubernetes.clock.now())
        if condition is None:
            return None
        try:
            await self.kubernetes.patch(f"{path}/status", status_patch(raw, condition))
        except ConflictError:
            return RETRY_SECONDS
        except NotFoundError:
            return None
        except RefusedError as error:
            # A newer CRD may forbid it; the Event remains.
            logger.warning("could not write the condition %s: %s", READABLE, error)
        if problem is not None:
            metadata = raw["metadata"]
            self.events.record(
                Regarding(
                    str(raw["kind"]), metadata["namespace"], metadata["name"], metadata["uid"]
                ),
                Event("Unreadable", problem, warning=True),
            )
        return None

    def _path(self, kind: Kind, name: str) -> str:
        if kind is Kind.POOL:
            return pools_path(self.namespace, name)
        namespace, _, job = name.partition("/")
        return jobs_path(namespace, job)


def key_of(kind: Kind, key: str) -> str:
    """Return the queue's key of an object with ``key`` in the cache."""
    return f"{kind.value}:{key}"


def split_key(key: str) -> tuple[Kind, str]:
    """Return what :func:`key_of` was given."""
    kind, _, rest = key.partition(":")
    return Kind(kind), rest


def why_unreadable(kind: Kind, raw: Mapping[str, Any]) -> str | None:
    """Return a sentence that says why an object cannot be read, or None when it can be."""
    try:
        if kind is Kind.JOB:
            read_job(raw)
        else:
            RunnerPool.model_validate(raw)
    except UNREADABLE_ERRORS as error:
        name = raw.get("kind", kind.value)
        return (
            f"This release of Wherry cannot read the {name}, and leaves it alone: "
            f"{describe(error)} Correct the value, or upgrade Wherry to the release of its CRDs."
        )[:MESSAGE_LENGTH]
    return None


def describe(error: Exception) -> str:
    """Return what is wrong and where, without the values."""
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}."
    found = error.errors(include_input=False, include_url=False)
    named = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}." for each in found[:ERRORS_NAMED]]
    more = [f"And {len(found) - ERRORS_NAMED} more."] if len(found) > ERRORS_NAMED else []
    return " ".join((*named, *more))


def condition_to_write(
    raw: Mapping[str, Any], problem: str | None, now: datetime
) -> dict[str, Any] | None:
    """Return the condition Readable that an object is to have, None when nothing is to change.

    An object that was never unreadable has no such condition.
    """
    before = next((each for each in _conditions(raw) if each.get("type") == READABLE), None)
    if problem is None and (before is None or before.get("status") == "True"):
        return None
    wanted = {
        "type": READABLE,
        "status": "True" if problem is None else "False",
        "reason": READABLE_REASON if problem is None else UNREADABLE_REASON,
        "message": problem or "",
    }
    if before is not None and all(before.get(name) == value for name, value in wanted.items()):
        return None
    same_status = before is not None and before.get("status") == wanted["status"]
    since = before.get("lastTransitionTime") if before is not None and same_status else None
    return {**wanted, "lastTransitionTime": since or format_time(now)}


def status_patch(raw: Mapping[str, Any], condition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Merge Patch that sets one condition and keeps the others."""
    others = [each for each in _conditions(raw) if each.get("type") != READABLE]
    return {
        "metadata": {"resourceVersion": raw["metadata"]["resourceVersion"]},
        "status": {"conditions": [*others, condition]},
    }


def _conditions(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = raw.get("status")
    found = status.get("conditions") if isinstance(status, Mapping) else None
    return [each for each in found or () if isinstance(each, Mapping)]
