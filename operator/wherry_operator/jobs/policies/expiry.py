"""The time to live of ended jobs: ``ttlSecondsAfterFinished`` or the operator's default."""

from wherry_operator.jobs import ttl
from wherry_operator.jobs.plan import JobPlan, ObservedJob
from wherry_operator.policies import Stop


def delete_expired(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Delete an ended job, and with it the archive, once its time to live has expired."""
    expiry = ttl.expiry(observed.job, observed.rules)
    if expiry is None or expiry > observed.now:
        return None
    return Stop(
        JobPlan(
            reason="Expired",
            message="The job's time to live has expired.",
            delete=True,
        )
    )


def keep_ended(observed: ObservedJob, plan: JobPlan) -> Stop[JobPlan] | None:
    """Leave an ended job as it is until it expires."""
    return Stop(plan) if observed.job.ended else None
