"""The two CustomResourceDefinitions, generated from the models."""

from typing import Any

from wherry_core.resources import cel_rules
from wherry_core.resources.base import GROUP, VERSION, ResourceModel
from wherry_core.resources.download_job import DownloadJobSpec, DownloadJobStatus
from wherry_core.resources.runner_pool import RunnerPoolSpec, RunnerPoolStatus
from wherry_core.resources.structural_schema import structural_schema

Column = tuple[str, str, str, int]

DOWNLOAD_JOB_COLUMNS: tuple[Column, ...] = (
    ("Phase", "string", ".status.phase", 0),
    ("Progress", "integer", ".status.progress", 0),
    ("Done", "integer", ".status.files.completed", 0),
    ("Files", "integer", ".status.files.total", 0),
    ("Attempt", "integer", ".status.attempt", 0),
    # The API server shows the first match: the reason of the condition that is True.
    ("Why", "string", '.status.conditions[?(@.status=="True")].reason', 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Size", "integer", ".status.archive.size", 1),
    ("Pool", "string", ".spec.pool", 1),
    ("Priority", "integer", ".spec.priority", 1),
    ("Runner", "string", ".status.runner", 1),
    ("Started", "date", ".status.startTime", 1),
    ("Last failure", "string", ".status.failures[-1:].reason", 1),
)
RUNNER_POOL_COLUMNS: tuple[Column, ...] = (
    ("Min", "integer", ".spec.minRunners", 0),
    ("Max", "integer", ".spec.maxRunners", 0),
    ("Desired", "integer", ".status.desiredRunners", 0),
    ("Ready", "integer", ".status.readyRunners", 0),
    ("Busy", "integer", ".status.busyRunners", 0),
    ("Waiting", "integer", ".status.waitingJobs", 0),
    ("Claimed", "integer", ".status.claimedJobs", 0),
    ("Paused", "boolean", ".spec.paused", 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
)


def download_job_crd() -> dict[str, Any]:
    """Return the CRD of DownloadJob."""
    return _crd(
        kind="DownloadJob",
        plural="downloadjobs",
        short="dlj",
        description="A request for one archive of many files, and its result.",
        spec=DownloadJobSpec,
        status=DownloadJobStatus,
        columns=DOWNLOAD_JOB_COLUMNS,
        selectable=(".spec.pool", ".status.phase", ".status.runner"),
        subresources={"status": {}},
    )


def runner_pool_crd() -> dict[str, Any]:
    """Return the CRD of RunnerPool."""
    return _crd(
        kind="RunnerPool",
        plural="runnerpools",
        short="rpool",
        description="A pool of runner pods that scales with its queue.",
        spec=RunnerPoolSpec,
        status=RunnerPoolStatus,
        columns=RUNNER_POOL_COLUMNS,
        selectable=(),
        subresources={
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.maxRunners",
                "statusReplicasPath": ".status.runners",
                "labelSelectorPath": ".status.selector",
            },
        },
    )


def _crd(
    *,
    kind: str,
    plural: str,
    short: str,
    description: str,
    spec: type[ResourceModel],
    status: type[ResourceModel],
    columns: tuple[Column, ...],
    selectable: tuple[str, ...],
    subresources: dict[str, Any],
) -> dict[str, Any]:
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": subresources,
        "additionalPrinterColumns": [
            {"name": name, "type": kind_, "jsonPath": path, "priority": priority}
            for name, kind_, path, priority in columns
        ],
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": description,
                "required": ["spec"],
                **cel_rules.RESOURCE,
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": structural_schema(spec),
                    "status": structural_schema(status),
                },
            }
        },
    }
    if selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["wherry"],
            },
            "versions": [version],
        },
    }
