"""The time that a job may take from its first start: ``activeDeadlineSeconds``."""

from wherry_core.resources.names import JobReason
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.deadlines import active_deadline
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.status_changes import failed, must_clean_up
from wherry_operator.policies import Stop


def fail_at_deadline(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Fail a job that has taken longer than its spec allows, all its attempts counted."""
    job, now = observed.job, observed.now
    deadline = active_deadline(job)
    if deadline is None or deadline > now:
        return None
    reason = JobReason.DEADLINE_EXCEEDED
    message = (
        f"The job took longer than its activeDeadlineSeconds of {job.spec.active_deadline_seconds}."
        " Create a new job with a longer deadline or fewer files."
    )
    return Stop(
        JobPlan(
            reason=reason,
            message=message,
            status=failed(job, now, reason, message),
            queue=QueueChange.TAKE_OUT,
            stop_runner=job.status.runner is not None,
            event=Event(reason, message, warning=True),
            clean_up=must_clean_up(job),
        )
    )
