"""Cancelling: at any moment, for good."""

from datetime import datetime

from wherry_core.resources import Phase
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.policies.changes import ended, left_something

REASON = "Cancelled"
MESSAGE = "The job was cancelled."


def cancel(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """End a job whose spec says so; its runner is fenced off by the write and asked to stop."""
    job = observed.job
    if not job.spec.cancel:
        return None
    status = ended(job, Phase.CANCELLED, now, REASON)
    if status.files.total == 0:
        files = status.files.model_copy(update={"total": observed.files})
        status = status.model_copy(update={"files": files})
    return JobPlan(
        reason=REASON,
        message=MESSAGE,
        status=status,
        queue=QueueChange.TAKE_OUT,
        stop_runner=job.status.runner,
        event=Event(REASON, MESSAGE),
        tidy=left_something(job),
    )
