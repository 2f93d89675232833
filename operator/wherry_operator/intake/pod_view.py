"""A runner pod as the cache keeps it: what the decisions need of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wherry_core.resources.names import POOL_LABEL, TEMPLATE_HASH_ANNOTATION, JobReason

RUNNER_CONTAINER: Final = "runner"

OUT_OF_MEMORY: Final = "OOMKilled"
STUCK_REASONS: Final = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
MESSAGE_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Loss:
    """How a runner was lost, for the job's list of failures."""

    reason: str
    """One CamelCase word."""
    message: str
    """A sentence for a person."""
    infrastructure: bool = True
    """False when the job itself is at fault: it used up the memory."""


@dataclass(frozen=True, slots=True)
class PodView:
    """One runner pod."""

    name: str
    uid: str
    resource_version: str
    pool: str
    phase: str
    ready: bool
    terminating: bool
    template_hash: str
    created: datetime | None
    unschedulable: str | None
    """The scheduler's message when no node takes the pod."""
    stuck: str | None
    """The kubelet's message when the container does not start."""
    end: Loss | None
    """How it ended; None while it lives. Also set for a pod that ended without an error."""
    failed: bool
    """True when it ended with an error."""

    @property
    def ended(self) -> bool:
        """True once all its containers have ended."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def running(self) -> bool:
        """True while its containers run."""
        return self.phase == "Running" and not self.terminating


def read_pod(raw: Mapping[str, Any]) -> PodView:
    """Return the view of a Pod as the API server sent it."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    container = _container_status(status)
    phase = status.get("phase", "Pending")
    name = metadata["name"]
    created = metadata.get("creationTimestamp")
    return PodView(
        name=name,
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
        pool=(metadata.get("labels") or {}).get(POOL_LABEL, ""),
        phase=phase,
        ready=conditions.get("Ready", {}).get("status") == "True",
        terminating="deletionTimestamp" in metadata,
        template_hash=(metadata.get("annotations") or {}).get(TEMPLATE_HASH_ANNOTATION, ""),
        created=datetime.fromisoformat(created) if created else None,
        unschedulable=_unschedulable(conditions.get("PodScheduled", {})),
        stuck=_stuck(container),
        end=_end(name, phase, status, conditions, container),
        failed=phase == "Failed",
    )


def _container_status(status: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = {}
    for item in status.get("containerStatuses") or ():
        if item.get("name") == RUNNER_CONTAINER or not found:
            found = item
    return found


def _unschedulable(scheduled: Mapping[str, Any]) -> str | None:
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return None
    return str(scheduled.get("message") or "no node takes the pod")[:MESSAGE_LENGTH]


def _stuck(container: Mapping[str, Any]) -> str | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") not in STUCK_REASONS:
        return None
    return f"{waiting['reason']}: {waiting.get('message', '')}"[:MESSAGE_LENGTH].rstrip(": ")


def _end(
    name: str,
    phase: str,
    status: Mapping[str, Any],
    conditions: Mapping[str, Mapping[str, Any]],
    container: Mapping[str, Any],
) -> Loss | None:
    if phase not in {"Succeeded", "Failed"}:
        return None
    terminated = (container.get("state") or {}).get("terminated") or {}
    if terminated.get("reason") == OUT_OF_MEMORY:
        return Loss(
            JobReason.OUT_OF_MEMORY,
            f"The runner {name} used more memory than its limit allows.",
            infrastructure=False,
        )
    disruption = conditions.get("DisruptionTarget", {})
    if status.get("reason") == "Evicted" or disruption.get("status") == "True":
        why = status.get("message") or disruption.get("message") or disruption.get("reason") or ""
        return Loss(
            JobReason.RUNNER_EVICTED, f"The runner {name} was evicted. {why}"[:1024].strip()
        )
    if phase == "Succeeded":
        return Loss(JobReason.RUNNER_LEFT, f"The runner {name} ended without finishing the job.")
    why = status.get("reason") or f"exit code {terminated.get('exitCode', 'unknown')}"
    return Loss(JobReason.RUNNER_FAILED, f"The runner {name} ended with an error ({why}).")
