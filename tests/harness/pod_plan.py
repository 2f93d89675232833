"""The command and environment of a pod's runner, and the pod's statuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from wherry_core.resources.base import format_time

Pod = dict[str, Any]

CONTAINER: Final = "runner"
DEFAULT_COMMAND: Final = ("wherry-jobrunner",)
DEFAULT_GRACE_SECONDS: Final = 30
TERMINAL: Final = frozenset({"Succeeded", "Failed"})


class PodNotRunnableError(Exception):
    """The pod cannot be started as it is; the message is a container's waiting message."""


@dataclass(frozen=True)
class Outcome:
    """How a container ended."""

    exit_code: int
    reason: str
    """The kubelet's reason: Completed, Error or OOMKilled."""
    pod_reason: str = ""
    """Evicted, when the node itself ended the pod."""

    @property
    def phase(self) -> str:
        """Phase of a pod that is not restarted."""
        return "Succeeded" if self.exit_code == 0 else "Failed"


def outcome_of(return_code: int, *, oom: bool = False, evicted: bool = False) -> Outcome:
    """Return the outcome for a process's return code (negative: minus the signal)."""
    code = 128 - return_code if return_code < 0 else return_code
    reason = "OOMKilled" if oom else "Completed" if code == 0 else "Error"
    if evicted:
        return Outcome(code or 137, "Error", "Evicted")
    return Outcome(code, reason)


def runner_container(pod: Pod) -> dict[str, Any]:
    """Return the container named runner. Raises PodNotRunnableError without one."""
    for container in pod["spec"].get("containers", []):
        if container["name"] == CONTAINER:
            return dict(container)
    raise PodNotRunnableError(f'the pod has no container named "{CONTAINER}"')


def command_of(pod: Pod) -> list[str]:
    """Return the command line of the runner container."""
    container = runner_container(pod)
    return [*container.get("command", DEFAULT_COMMAND), *container.get("args", [])]


def _field(pod: Pod, path: str, node: str) -> str:
    known = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": node,
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.podIP": "127.0.0.1",
        "status.hostIP": "127.0.0.1",
    }
    if path not in known:
        raise PodNotRunnableError(f"fieldRef {path} is not known to the process node")
    return str(known[path])


Lookup = Callable[[str, str], Mapping[str, str] | None]
"""(``secrets`` or ``configmaps``, name) -> data as text, or None when it does not exist."""


def _from_object(
    lookup: Lookup, plural: str, ref: Mapping[str, Any], *, whole: bool
) -> Mapping[str, str]:
    data = lookup(plural, ref["name"])
    optional = ref.get("optional", False)
    if data is None:
        if optional:
            return {}
        raise PodNotRunnableError(f'{plural} "{ref["name"]}" not found')
    if whole:
        return data
    if ref["key"] not in data:
        if optional:
            return {}
        raise PodNotRunnableError(f'{plural} "{ref["name"]}" has no key "{ref["key"]}"')
    return {ref["key"]: data[ref["key"]]}


def references(pod: Pod) -> set[tuple[str, str]]:
    """Return the (plural, name) of all secrets and config maps that the environment needs."""
    container = runner_container(pod)
    found: set[tuple[str, str]] = set()
    for source in container.get("envFrom", []):
        for word, plural in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if word in source:
                found.add((plural, source[word]["name"]))
    for entry in container.get("env", []):
        source = entry.get("valueFrom", {})
        for word, plural in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if word in source:
                found.add((plural, source[word]["name"]))
    return found


def environment_of(pod: Pod, node: str, lookup: Lookup) -> dict[str, str]:
    """Return the environment that the pod's spec gives its runner container.

    Raises PodNotRunnableError when something that it refers to is missing.
    """
    container = runner_container(pod)
    made: dict[str, str] = {}
    for source in container.get("envFrom", []):
        prefix = source.get("prefix", "")
        for word, plural in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if word in source:
                data = _from_object(lookup, plural, source[word], whole=True)
                made |= {f"{prefix}{key}": value for key, value in data.items()}
    for entry in container.get("env", []):
        source = entry.get("valueFrom")
        if source is None:
            value = str(entry.get("value", ""))
            for name, known in made.items():
                value = value.replace(f"$({name})", known)
            made[entry["name"]] = value
        elif "fieldRef" in source:
            made[entry["name"]] = _field(pod, source["fieldRef"]["fieldPath"], node)
        elif "secretKeyRef" in source or "configMapKeyRef" in source:
            plural = "secrets" if "secretKeyRef" in source else "configmaps"
            ref = source.get("secretKeyRef") or source["configMapKeyRef"]
            for value in _from_object(lookup, plural, ref, whole=False).values():
                made[entry["name"]] = value
        else:
            raise PodNotRunnableError(f"the source of {entry['name']} is not known")
    return made


def _now() -> str:
    return format_time(datetime.now(UTC))


def condition(kind: str, true: bool, reason: str = "", message: str = "") -> dict[str, Any]:
    """Return one pod condition."""
    made = {
        "type": kind,
        "status": "True" if true else "False",
        "lastTransitionTime": _now(),
    }
    if reason:
        made |= {"reason": reason, "message": message}
    return made


def unschedulable_status() -> dict[str, Any]:
    """Return the status of a pod for which there is no room."""
    message = "0/1 nodes are available: 1 Too many pods."
    scheduled = condition("PodScheduled", False, "Unschedulable", message)
    return {"phase": "Pending", "conditions": [scheduled]}


def _container_status(pod: Pod, state: dict[str, Any], *, ready: bool) -> list[dict[str, Any]]:
    image = runner_container(pod).get("image", "") or "none"
    status = {
        "name": CONTAINER,
        "image": image,
        "imageID": image,
        "restartCount": 0,
        "ready": ready,
        "started": ready,
        "state": state,
    }
    return [status]


def _conditions(ready: bool) -> list[dict[str, Any]]:
    return [
        condition("PodScheduled", True),
        condition("Initialized", True),
        condition("ContainersReady", ready),
        condition("Ready", ready),
    ]


def waiting_status(pod: Pod, reason: str, message: str) -> dict[str, Any]:
    """Return the status of a bound pod whose container cannot be started yet."""
    try:
        containers = _container_status(
            pod, {"waiting": {"reason": reason, "message": message}}, ready=False
        )
    except PodNotRunnableError:
        containers = []
    return {
        "phase": "Pending",
        "conditions": _conditions(False),
        "containerStatuses": containers,
    }


def running_status(pod: Pod, started: str, *, ready: bool) -> dict[str, Any]:
    """Return the status of a pod whose process runs."""
    return {
        "phase": "Running",
        "startTime": started,
        "hostIP": "127.0.0.1",
        "podIP": "127.0.0.1",
        "podIPs": [{"ip": "127.0.0.1"}],
        "conditions": _conditions(ready),
        "containerStatuses": _container_status(
            pod, {"running": {"startedAt": started}}, ready=ready
        ),
    }


def ended_status(pod: Pod, started: str, outcome: Outcome) -> dict[str, Any]:
    """Return the status of a pod whose process has ended."""
    terminated = {
        "exitCode": outcome.exit_code,
        "reason": outcome.reason,
        "startedAt": started,
        "finishedAt": _now(),
    }
    status = {
        "phase": outcome.phase,
        "conditions": _conditions(False),
        "containerStatuses": _container_status(pod, {"terminated": terminated}, ready=False),
    }
    if outcome.pod_reason:
        message = "The node was low on resource: memory."
        status |= {"reason": outcome.pod_reason, "message": message}
    return status
