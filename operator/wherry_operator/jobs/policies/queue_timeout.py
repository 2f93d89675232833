"""The time that a job may wait for a runner."""

from datetime import datetime

from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange, queue_deadline
from wherry_operator.jobs.policies.changes import failed, left_something

REASON = "QueueTimeout"


def fail_after_waiting(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Fail a job that no runner took within its queueTimeoutSeconds."""
    job = observed.job
    deadline = queue_deadline(job)
    if deadline is None or deadline > now:
        return None
    message = f"No runner took the job within {job.spec.queue_timeout_seconds} seconds."
    told = next((each for each in job.status.conditions if each.type == "Waiting"), None)
    if not observed.pool_exists:
        message += f" There is no pool named {job.spec.pool}."
    elif told is not None and told.status == "True":
        # The reason alone: this message reaches the one who asked, the pool's words need not.
        message += f" The last reason for waiting was {told.reason}."
    return JobPlan(
        reason=REASON,
        message=message,
        status=failed(job, now, REASON, message),
        queue=QueueChange.TAKE_OUT,
        event=Event(REASON, message, warning=True),
        tidy=left_something(job),
    )
