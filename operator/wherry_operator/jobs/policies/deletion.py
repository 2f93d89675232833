"""Jobs that are being deleted."""

from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.policies import Stop


def stop_deleted(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Take a job that is being deleted out of the queue, and stop its runner."""
    job = observed.job
    if job.metadata.deletion_timestamp is None:
        return None
    return Stop(
        JobPlan(
            reason="BeingDeleted",
            message="The job is being deleted.",
            queue=QueueChange.TAKE_OUT,
            stop_runner=job.status.runner is not None,
        )
    )
