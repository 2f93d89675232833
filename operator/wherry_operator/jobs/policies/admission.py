"""New jobs enter the queue."""

from wherry_core.resources import FileCounts, Phase
from wherry_core.resources.names import JobReason
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.status_changes import SUSPENDED_MESSAGE, suspended
from wherry_operator.policies import Stop


def admit(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Mark a new job as Queued for its first attempt."""
    job = observed.job
    if job.status.phase is not None:
        return None
    status = job.status.model_copy(
        update={
            "phase": Phase.QUEUED,
            "attempt": max(job.status.attempt, 1),
            "queued_time": observed.now.replace(microsecond=0),
            "files": FileCounts(total=observed.files),
        }
    )
    if job.spec.suspend:
        return Stop(
            JobPlan(
                reason=JobReason.SUSPENDED,
                message=SUSPENDED_MESSAGE,
                status=suspended(job, status, observed.now),
            )
        )
    can_start = observed.pool_exists and not observed.held
    return Stop(
        JobPlan(
            reason="Admitted",
            message="The job waits for a runner.",
            status=status,
            queue=QueueChange.PUT if can_start else QueueChange.LEAVE,
        )
    )
