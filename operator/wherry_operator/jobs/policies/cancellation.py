"""Cancelling: possible at any moment before the end, and final."""

from wherry_core.resources import Phase
from wherry_core.resources.names import JobReason
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.status_changes import ended, must_clean_up
from wherry_operator.policies import Stop

MESSAGE = "The job was cancelled."


def cancel(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """End a job whose spec.cancel is true. The write fences off its runner."""
    job = observed.job
    if not job.spec.cancel:
        return None
    status = ended(job, Phase.CANCELLED, observed.now, JobReason.CANCELLED)
    if status.files.total == 0:
        files = status.files.model_copy(update={"total": observed.files})
        status = status.model_copy(update={"files": files})
    return Stop(
        JobPlan(
            reason=JobReason.CANCELLED,
            message=MESSAGE,
            status=status,
            queue=QueueChange.TAKE_OUT,
            stop_runner=job.status.runner is not None,
            event=Event(JobReason.CANCELLED, MESSAGE),
            clean_up=must_clean_up(job),
        )
    )
