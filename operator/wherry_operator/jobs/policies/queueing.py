"""A job that waits is in the queue, as soon as it is due."""

from datetime import datetime

from wherry_core.resources import Phase
from wherry_operator.jobs.plan import NOTHING, JobPlan, ObservedJob, QueueChange


def queue_when_due(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Put a waiting job into the queue, unless it pauses or its tenant has enough in work."""
    job = observed.job
    if job.status.phase is not Phase.QUEUED:
        return None
    due = job.status.next_attempt_time
    if due is not None and due > now:
        return NOTHING
    if observed.held:
        return JobPlan(
            reason="TenantLimit",
            message="The tenant has as many jobs in work as it may.",
            queue=QueueChange.TAKE_OUT,
        )
    return JobPlan(reason="Waiting", message="The job waits for a runner.", queue=QueueChange.PUT)
