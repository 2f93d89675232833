"""Attempts that a runner handed back, because it is draining or was asked to stop."""

from wherry_core.resources import Phase
from wherry_core.resources.names import JobReason
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.status_changes import SUSPENDED_MESSAGE, queued_again, suspended
from wherry_operator.policies import Stop


def requeue_handed_back(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Queue a job that its runner handed back: no attempt is used up, and there is no pause."""
    job = observed.job
    if job.status.phase is not Phase.PROCESSING or job.status.runner is not None:
        return None
    status = queued_again(job.status, observed.now)
    if job.spec.suspend:
        return Stop(
            JobPlan(
                reason=JobReason.SUSPENDED,
                message=SUSPENDED_MESSAGE,
                status=suspended(job, status, observed.now),
                queue=QueueChange.TAKE_OUT,
                event=Event(JobReason.SUSPENDED, SUSPENDED_MESSAGE),
            )
        )
    can_start = observed.pool_exists and not observed.held
    message = f"The runner handed back attempt {job.status.attempt}. Another runner takes the job."
    return Stop(
        JobPlan(
            reason=JobReason.HANDED_BACK,
            message=message,
            status=status,
            queue=QueueChange.PUT if can_start else QueueChange.LEAVE,
            event=Event(JobReason.HANDED_BACK, message),
        )
    )
