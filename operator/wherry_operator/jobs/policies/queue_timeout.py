"""The time that a job may wait for a runner: ``queueTimeoutSeconds``."""

from wherry_core.resources.names import JobCondition, JobReason
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.deadlines import queue_deadline
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.status_changes import failed, find_condition, must_clean_up
from wherry_operator.policies import Stop


def fail_after_waiting(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Fail a job that no runner took within its queueTimeoutSeconds."""
    job, now = observed.job, observed.now
    deadline = queue_deadline(job)
    if deadline is None or deadline > now:
        return None
    reason = JobReason.QUEUE_TIMEOUT
    message = (
        f"No runner took the job within its queueTimeoutSeconds of "
        f"{job.spec.queue_timeout_seconds}."
    )
    waiting = find_condition(job.status, JobCondition.WAITING)
    if not observed.pool_exists:
        message += f" There is no pool named {job.spec.pool}."
    elif waiting is not None:
        # Only the reason: the user of the API reads this, and need not know the cluster's details.
        message += f" The last reason for waiting was {waiting.reason}."
    return Stop(
        JobPlan(
            reason=reason,
            message=message,
            status=failed(job, now, reason, message),
            queue=QueueChange.TAKE_OUT,
            event=Event(reason, message, warning=True),
            clean_up=must_clean_up(job),
        )
    )
