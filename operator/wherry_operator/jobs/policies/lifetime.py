"""What has ended is kept for its lifetime, and then deleted with its archive."""

from datetime import datetime

from wherry_operator.jobs.plan import NOTHING, JobPlan, ObservedJob, expiry


def end_lifetime(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Delete an ended job once its lifetime is over; until then leave it as it is."""
    job = observed.job
    if not job.ended:
        return None
    end = expiry(job, observed.rules)
    if end is None or end > now:
        return NOTHING
    return JobPlan(
        reason="LifetimeOver", message="The job's lifetime after its end is over.", delete=True
    )
