"""Jobs in any state, for tests of pure decisions."""

from datetime import UTC, datetime
from typing import Any

from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import DownloadJob
from wherry_jobrunner.claim.claim_patch import Claim

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
RUNNER = "default-runner-0"
RUNNER_UID = "pod-uid-1"
ME = RunnerId(RUNNER, RUNNER_UID)
CLAIM = Claim(
    namespace="tenant",
    name="job",
    uid="uid-1",
    attempt=2,
    runner=RUNNER,
    runner_uid=RUNNER_UID,
)


def job(
    spec: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    **status: Any,
) -> DownloadJob:
    """Return a job; fields as on the wire."""
    return DownloadJob.model_validate(
        {
            "metadata": {
                "name": "job",
                "namespace": "tenant",
                "uid": "uid-1",
                "resourceVersion": "41",
                "generation": 3,
                "creationTimestamp": "2030-01-02T03:00:00Z",
                **(metadata or {}),
            },
            "spec": {"fileIDs": ["1", "2", "2", "3"], **(spec or {})},
            "status": status,
        }
    )


def claimed(spec: dict[str, Any] | None = None, **status: Any) -> DownloadJob:
    """Return a job that CLAIM holds."""
    ours = {"phase": "Processing", "attempt": 2, "runner": RUNNER, "runnerUID": RUNNER_UID}
    return job(spec, **{**ours, **status})
