"""A job that names a pool which is not there waits for it, and says so."""

from datetime import datetime

from wherry_core.resources import Phase
from wherry_operator.job_plan import JobPlan, ObservedJob, QueueChange, Story
from wherry_operator.job_policies.changes import condition, with_condition

CONDITION = "PoolFound"


def note_unknown_pool(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Set the condition PoolFound to False while the pool is missing, and to True afterwards.

    A job whose pool was there all along has no such condition: it costs no write.
    """
    job = observed.job
    if job.status.phase is not Phase.QUEUED:
        return None
    known = next((each for each in job.status.conditions if each.type == CONDITION), None)
    if not observed.pool_exists:
        message = f"There is no RunnerPool named {job.spec.pool}: the job waits until there is."
        if known is not None and known.status == "False":
            return JobPlan(reason="PoolNotFound", message=message, queue=QueueChange.TAKE_OUT)
        missing = condition(job, CONDITION, False, "PoolNotFound", message, now)
        return JobPlan(
            reason="PoolNotFound",
            message=message,
            status=with_condition(job.status, missing),
            queue=QueueChange.TAKE_OUT,
            story=Story("PoolNotFound", message, warning=True),
        )
    if known is None or known.status == "True":
        return None
    message = f"The RunnerPool {job.spec.pool} is there."
    found = condition(job, CONDITION, True, "PoolFound", message, now)
    return JobPlan(reason="PoolFound", message=message, status=with_condition(job.status, found))
