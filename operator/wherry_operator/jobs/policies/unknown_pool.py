"""Jobs whose pool does not exist wait for it."""

from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.names import JobReason
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.policies import Stop


def wait_for_pool(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Keep a job out of the queue while its pool is missing; the condition Waiting says so."""
    job = observed.job
    if job.status.phase is not Phase.QUEUED or observed.pool_exists:
        return None
    return Stop(
        JobPlan(
            reason=JobReason.POOL_NOT_FOUND,
            message=unknown_pool_message(job),
            queue=QueueChange.TAKE_OUT,
        )
    )


def unknown_pool_message(job: DownloadJob) -> str:
    """Return the sentence for a job whose pool is missing."""
    return (
        f"There is no RunnerPool named {job.spec.pool}. The job waits until it exists. To list "
        "the pools: kubectl get rpool -A"
    )
