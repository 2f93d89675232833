"""The time that a job may take from its first start."""

from datetime import datetime

from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange, active_deadline
from wherry_operator.jobs.policies.changes import failed, left_something

REASON = "DeadlineExceeded"


def fail_at_deadline(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Fail a job that has taken longer than its spec allows, with all its attempts."""
    job = observed.job
    deadline = active_deadline(job)
    if job.ended or deadline is None or deadline > now:
        return None
    message = (
        f"The job took longer than the {job.spec.active_deadline_seconds} seconds "
        "that activeDeadlineSeconds allows."
    )
    return JobPlan(
        reason=REASON,
        message=message,
        status=failed(job, now, REASON, message),
        queue=QueueChange.TAKE_OUT,
        stop_runner=job.status.runner,
        event=Event(REASON, message, warning=True),
        tidy=left_something(job),
    )
