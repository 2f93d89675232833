"""Waiting jobs are in the queue as soon as a runner may take them."""

from wherry_core.resources import Phase
from wherry_core.resources.names import JobReason
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.policies import Stop


def queue_when_due(observed: ObservedJob, plan: JobPlan) -> Stop[JobPlan] | None:
    """Put a waiting job into the queue, unless it backs off or its tenant is at its limit."""
    job = observed.job
    if job.status.phase is not Phase.QUEUED:
        return None
    due = job.status.next_attempt_time
    if due is not None and due > observed.now:
        return Stop(plan)
    if observed.held:
        return Stop(
            JobPlan(
                reason=JobReason.TENANT_LIMIT,
                message="The tenant has reached its limit of queued and running jobs.",
                queue=QueueChange.TAKE_OUT,
            )
        )
    return Stop(
        JobPlan(reason="Waiting", message="The job waits for a runner.", queue=QueueChange.PUT)
    )
