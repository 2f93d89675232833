"""The new job that a retry creates: the same one, however it is asked for.

The HTTP API, the annotation ``wherry.dev/retry`` and the command line all create this job. Its
name follows from the old job's uid, so that a retry that is asked for twice gives one new job.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wherry_core.resources.base import API_VERSION
from wherry_core.resources.download_job import DownloadJob, DownloadJobSpec, Phase
from wherry_core.resources.names import RETRY_OF_LABEL, label_value
from wherry_core.resources.object_meta import ObjectMeta

RETRY_NAMES: Final = uuid.UUID("6f0e0c55-8a1e-5a52-9d4c-3a1d7c9b2f10")
"""Name space (RFC 9562, version 5) of the names of retried jobs."""
RETRYABLE_PHASES: Final = frozenset({Phase.FAILED, Phase.CANCELLED})
NOT_COPIED: Final = ("cancel", "suspend")
"""Fields of the spec that ended or held the old job."""
OWN_LABEL_PREFIX: Final = "wherry.dev/"


def retried_job_name(uid: str) -> str:
    """Return the name of the job that retries the one with ``uid``."""
    return str(uuid.uuid5(RETRY_NAMES, uid))


def can_be_retried(job: DownloadJob) -> bool:
    """Return whether ``job`` has failed or was cancelled."""
    return job.status.phase in RETRYABLE_PHASES


def retried_job(
    old: ObjectMeta,
    spec: DownloadJobSpec,
    *,
    file_ids: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the manifest of the job that retries ``old``, whose spec was ``spec``.

    The user's own labels are copied; Wherry's are not, except for the one that names the old job.
    ``file_ids`` replaces those of ``spec`` when the caller holds a shortened list. ``labels`` and
    ``annotations`` are added.
    """
    wire = spec.to_wire()
    for field in NOT_COPIED:
        wire.pop(field, None)
    if file_ids is not None:
        wire["fileIDs"] = list(file_ids)
    copied = {
        name: value for name, value in old.labels.items() if not name.startswith(OWN_LABEL_PREFIX)
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "DownloadJob",
        "metadata": {
            "name": retried_job_name(old.uid),
            "namespace": old.namespace,
            "labels": {**copied, **(labels or {}), RETRY_OF_LABEL: label_value(old.name)},
            "annotations": dict(annotations or {}),
        },
        "spec": wire,
    }
