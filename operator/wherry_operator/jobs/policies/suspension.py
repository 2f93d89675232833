"""Suspending: the job waits outside the queue; resuming: it goes back in."""

from datetime import datetime, timedelta
from typing import Final

from wherry_core.resources import Phase
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import NOTHING, JobPlan, ObservedJob, QueueChange, condition_is_true
from wherry_operator.jobs.policies.changes import condition, with_condition

SUSPENDED_MESSAGE: Final = "The job is suspended: set spec.suspend to false to go on."
ASK_AGAIN: Final = timedelta(seconds=10)


def suspend_running(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Ask the runner of a suspended job to hand it back; ask again until it has."""
    job = observed.job
    if job.status.phase is not Phase.PROCESSING:
        return None
    if not job.spec.suspend:
        return NOTHING
    return JobPlan(
        reason="Suspending",
        message="The runner is asked to hand the job back.",
        stop_runner=job.status.runner,
        look_again=now + ASK_AGAIN,
    )


def suspend_queued(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Keep a suspended job out of the queue."""
    job = observed.job
    if job.status.phase is not Phase.QUEUED or not job.spec.suspend:
        return None
    if condition_is_true(job.status, "Suspended"):
        return JobPlan(reason="Suspended", message=SUSPENDED_MESSAGE, queue=QueueChange.TAKE_OUT)
    suspended = condition(job, "Suspended", True, "SuspendRequested", SUSPENDED_MESSAGE, now)
    return JobPlan(
        reason="Suspended",
        message=SUSPENDED_MESSAGE,
        status=with_condition(job.status, suspended),
        queue=QueueChange.TAKE_OUT,
        event=Event("Suspended", SUSPENDED_MESSAGE),
    )


def resume(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Let a resumed job wait anew: the time of its suspension does not count as waiting."""
    job = observed.job
    if job.status.phase is not Phase.QUEUED or not condition_is_true(job.status, "Suspended"):
        return None
    message = "The job waits for a runner again."
    status = with_condition(
        job.status, condition(job, "Suspended", False, "Resumed", message, now)
    ).model_copy(update={"queued_time": now.replace(microsecond=0)})
    return JobPlan(
        reason="Resumed", message=message, status=status, event=Event("Resumed", message)
    )
