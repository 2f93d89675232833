"""A job that names a pool which is not there waits for it."""

from datetime import datetime
from typing import Final

from wherry_core.resources import DownloadJob, Phase
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange

POOL_NOT_FOUND: Final = "PoolNotFound"


def wait_for_pool(observed: ObservedJob, _now: datetime) -> JobPlan | None:
    """Keep a job out of the queue while its pool is missing; its condition Waiting says so."""
    job = observed.job
    if job.status.phase is not Phase.QUEUED or observed.pool_exists:
        return None
    return JobPlan(
        reason=POOL_NOT_FOUND, message=unknown_pool_message(job), queue=QueueChange.TAKE_OUT
    )


def unknown_pool_message(job: DownloadJob) -> str:
    """Return what a job whose pool is missing says."""
    return (
        f"There is no RunnerPool named {job.spec.pool}: the job waits until there is. "
        "To see which there are: kubectl get rpool -A"
    )
