"""Builders of jobs, pools and pods for tests of decisions. The clock stands still."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from wherry_core.resources import (
    Condition,
    ConditionStatus,
    DownloadJob,
    Failure,
    FileCounts,
    Phase,
    RunnerPool,
)
from wherry_operator.intake.pod_view import Loss, PodView
from wherry_operator.jobs.plan import JobPlan, JobPolicy, JobRules, ObservedJob
from wherry_operator.policies import Stop
from wherry_operator.pools.plan import ObservedPool, template_hash

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
RUNNER = "default-runner-0"


def ago(seconds: float) -> datetime:
    """Return a moment before the fixed present."""
    return NOW - timedelta(seconds=seconds)


def ahead(seconds: float) -> datetime:
    """Return a moment after the fixed present."""
    return NOW + timedelta(seconds=seconds)


def job(
    *,
    spec: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **status: Any,
) -> DownloadJob:
    """Return a new job; keywords are fields of its status."""
    return DownloadJob.model_validate(
        {
            "metadata": {
                "name": "job",
                "namespace": "tenant",
                "uid": "00000000-0000-0000-0000-000000000001",
                "resourceVersion": "7",
                "generation": 1,
                "creationTimestamp": ago(60),
                **(metadata or {}),
            },
            "spec": {"fileIDs": ["1"], **(spec or {})},
            "status": status,
        }
    )


def queued(**changes: Any) -> DownloadJob:
    """Return a job that has waited for 10 s."""
    defaults: dict[str, Any] = {
        "phase": Phase.QUEUED,
        "attempt": 1,
        "observed_generation": 1,
        "queued_time": ago(10),
        "files": FileCounts(total=2),
    }
    return job(**{**defaults, **changes})


def processing(**changes: Any) -> DownloadJob:
    """Return a job that a runner claimed 5 s ago."""
    defaults: dict[str, Any] = {
        "phase": Phase.PROCESSING,
        "runner": RUNNER,
        "start_time": ago(5),
        "attempt_start_time": ago(5),
        "step": 3,
        "progress": 40,
    }
    return queued(**{**defaults, **changes})


def ended(phase: Phase, seconds_ago: float = 10, **changes: Any) -> DownloadJob:
    """Return a job that ended some time ago."""
    return queued(**{"phase": phase, "completion_time": ago(seconds_ago), **changes})


def condition(kind: str, *, value: bool = True) -> Condition:
    """Return a condition that was set a minute ago."""
    status = ConditionStatus.TRUE if value else ConditionStatus.FALSE
    return Condition(type=kind, status=status, reason="Because", last_transition_time=ago(60))


def failure(attempt: int = 1, *, retryable: bool = True, infrastructure: bool = False) -> Failure:
    """Return a failure as a runner reports it."""
    return Failure(
        attempt=attempt,
        reason="StoreUnavailable",
        message="The store did not answer.",
        time=ago(1),
        runner=RUNNER,
        retryable=retryable,
        infrastructure=infrastructure,
    )


def observed(seen: DownloadJob, **changes: Any) -> ObservedJob:
    """Return what is observed of a job whose pool exists."""
    return ObservedJob(**{"job": seen, "files": 2, "rules": JobRules(), "now": NOW, **changes})


def ask(policy: JobPolicy, seen: ObservedJob) -> JobPlan | None:
    """Return the plan of one policy, or None when it has nothing to say.

    A policy that stops without adding anything returns the empty plan.
    """
    answer = policy(seen, JobPlan())
    return answer.plan if isinstance(answer, Stop) else answer


LOST = Loss("RunnerGone", "The runner default-runner-0 is gone.")
OUT_OF_MEMORY = Loss("OutOfMemory", "Too much memory.", infrastructure=False)


def pool(**spec: Any) -> RunnerPool:
    """Return a pool of at most 10 runners that take 5 jobs each."""
    return RunnerPool.model_validate(
        {
            "metadata": {"name": "default", "namespace": "wherry", "uid": "u", "generation": 1},
            "spec": {
                "template": {"spec": {"containers": [{"name": "runner", "image": "i"}]}},
                **spec,
            },
        }
    )


def pod(slot: int = 0, **changes: Any) -> PodView:
    """Return a ready runner pod of the pool's present template, created 100 s ago."""
    values: dict[str, Any] = {
        "name": f"default-runner-{slot}",
        "uid": f"uid-{slot}",
        "resource_version": "1",
        "pool": "default",
        "phase": "Running",
        "ready": True,
        "terminating": False,
        "template_hash": template_hash(pool()),
        "created": ago(100 - slot),
        "unschedulable": None,
        "stuck": None,
        "end": None,
        "failed": False,
    }
    return PodView(**{**values, **changes})


def pending(slot: int = 0, **changes: Any) -> PodView:
    """Return a runner pod that has not started yet."""
    return pod(slot, **{"phase": "Pending", "ready": False, **changes})


def gone(slot: int = 0, **changes: Any) -> PodView:
    """Return a runner pod that has ended without an error."""
    values: dict[str, Any] = {"phase": "Succeeded", "ready": False, "end": LOST, **changes}
    return pod(slot, **values)


def observed_pool(seen: RunnerPool | None = None, **changes: Any) -> ObservedPool:
    """Return what is observed of a pool."""
    return ObservedPool(pool=seen or pool(), **changes)
