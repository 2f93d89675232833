"""Suspending keeps a job out of the queue; resuming puts it back."""

from datetime import timedelta
from typing import Final

from wherry_core.resources import Phase
from wherry_core.resources.names import JobCondition, JobReason
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.status_changes import (
    SUSPENDED_MESSAGE,
    condition,
    condition_is_true,
    suspended,
    with_condition,
)
from wherry_operator.policies import Stop

STOP_AGAIN: Final = timedelta(seconds=10)
"""Pause after which a runner that has not handed its job back is asked again."""


def suspend_running(observed: ObservedJob, plan: JobPlan) -> Stop[JobPlan] | None:
    """Ask the runner of a suspended job to hand it back, until it has; leave other runners."""
    job = observed.job
    if job.status.phase is not Phase.PROCESSING:
        return None
    if not job.spec.suspend:
        return Stop(plan)
    return Stop(
        JobPlan(
            reason="Suspending",
            message="The runner is asked to hand the job back.",
            stop_runner=job.status.runner is not None,
            requeue_at=observed.now + STOP_AGAIN,
        )
    )


def suspend_queued(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Keep a suspended job out of the queue."""
    job = observed.job
    if job.status.phase is not Phase.QUEUED or not job.spec.suspend:
        return None
    if condition_is_true(job.status, JobCondition.SUSPENDED):
        return Stop(
            JobPlan(
                reason=JobReason.SUSPENDED, message=SUSPENDED_MESSAGE, queue=QueueChange.TAKE_OUT
            )
        )
    return Stop(
        JobPlan(
            reason=JobReason.SUSPENDED,
            message=SUSPENDED_MESSAGE,
            status=suspended(job, job.status, observed.now),
            queue=QueueChange.TAKE_OUT,
            event=Event(JobReason.SUSPENDED, SUSPENDED_MESSAGE),
        )
    )


def resume(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Let a resumed job wait again, with its times starting from now.

    The time of the suspension counts neither as waiting nor against activeDeadlineSeconds. As for
    a Kubernetes Job, the start time of a job that has run is reset.
    """
    job, now = observed.job, observed.now
    if job.status.phase is not Phase.QUEUED or job.spec.suspend:
        return None
    if not condition_is_true(job.status, JobCondition.SUSPENDED):
        return None
    message = "The job waits for a runner again."
    moment = now.replace(microsecond=0)
    resumed = condition(job, JobCondition.SUSPENDED, False, JobReason.RESUMED, message, now)
    status = with_condition(job.status, resumed).model_copy(
        update={
            "queued_time": moment,
            "start_time": None if job.status.start_time is None else moment,
        }
    )
    return Stop(
        JobPlan(
            reason=JobReason.RESUMED,
            message=message,
            status=status,
            event=Event(JobReason.RESUMED, message),
        )
    )
