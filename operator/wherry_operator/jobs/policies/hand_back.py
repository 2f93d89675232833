"""An attempt that its runner handed back, because it had to leave or was asked to stop."""

from datetime import datetime

from wherry_core.resources import Phase
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.policies.changes import condition, queued_again, with_condition
from wherry_operator.jobs.policies.suspension import SUSPENDED_MESSAGE


def take_back(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Queue a job that its runner handed back: no attempt is spent, and there is no pause."""
    job = observed.job
    if job.status.phase is not Phase.PROCESSING or job.status.runner is not None:
        return None
    status = queued_again(job.status, now)
    if job.spec.suspend:
        suspended = condition(job, "Suspended", True, "SuspendRequested", SUSPENDED_MESSAGE, now)
        return JobPlan(
            reason="Suspended",
            message=SUSPENDED_MESSAGE,
            status=with_condition(status, suspended),
            queue=QueueChange.TAKE_OUT,
            event=Event("Suspended", SUSPENDED_MESSAGE),
        )
    can_start = observed.pool_exists and not observed.held
    return JobPlan(
        reason="HandedBack",
        message=f"Attempt {job.status.attempt} was handed back by its runner.",
        status=status,
        queue=QueueChange.PUT if can_start else QueueChange.LEAVE,
        event=Event("HandedBack", "The runner had to leave; another one goes on."),
    )
