"""A new job enters the queue."""

from datetime import datetime

from wherry_core.resources import FileCounts, Phase
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.policies.changes import condition, with_condition
from wherry_operator.jobs.policies.suspension import SUSPENDED_MESSAGE


def admit(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Mark a job that nobody has seen yet as Queued, for its first attempt."""
    job = observed.job
    if job.status.phase is not None:
        return None
    status = job.status.model_copy(
        update={
            "phase": Phase.QUEUED,
            "attempt": max(job.status.attempt, 1),
            "queued_time": now.replace(microsecond=0),
            "files": FileCounts(total=observed.files),
        }
    )
    if job.spec.suspend:
        suspended = condition(job, "Suspended", True, "SuspendRequested", SUSPENDED_MESSAGE, now)
        return JobPlan(
            reason="Suspended",
            message=SUSPENDED_MESSAGE,
            status=with_condition(status, suspended),
        )
    can_start = observed.pool_exists and not observed.held
    return JobPlan(
        reason="Admitted",
        message="The job waits for a runner.",
        status=status,
        queue=QueueChange.PUT if can_start else QueueChange.LEAVE,
    )
