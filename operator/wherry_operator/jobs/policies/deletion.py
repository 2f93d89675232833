"""A job that is being deleted is left alone."""

from datetime import datetime

from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange


def leave_deleted(observed: ObservedJob, _now: datetime) -> JobPlan | None:
    """Take a job that is being deleted out of the queue, and stop its runner."""
    job = observed.job
    if job.metadata.deletion_timestamp is None:
        return None
    return JobPlan(
        reason="BeingDeleted",
        message="The job is being deleted.",
        queue=QueueChange.TAKE_OUT,
        stop_runner=job.status.runner,
    )
