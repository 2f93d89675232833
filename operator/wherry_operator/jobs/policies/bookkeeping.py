"""What is added to every decision: the acknowledged generation, and the time of the next one."""

from dataclasses import replace

from wherry_operator.jobs.deadlines import next_moment
from wherry_operator.jobs.plan import JobPlan, ObservedJob


def acknowledge_generation(observed: ObservedJob, plan: JobPlan) -> JobPlan | None:
    """Set status.observedGeneration to the generation of the spec that was decided on."""
    job = observed.job
    generation = job.metadata.generation
    if plan.delete or job.metadata.deletion_timestamp or generation == 0:
        return None
    status = plan.status or job.status
    if status.observed_generation == generation:
        return None
    return replace(plan, status=status.model_copy(update={"observed_generation": generation}))


def set_timer(observed: ObservedJob, plan: JobPlan) -> JobPlan | None:
    """Set the time of the next decision by the status as it is after ``plan``."""
    if plan.delete:
        return None
    job = observed.job
    if plan.status is not None:
        job = job.model_copy(update={"status": plan.status})
    moments = (plan.requeue_at, next_moment(replace(observed, job=job)))
    return replace(plan, requeue_at=min((each for each in moments if each), default=None))
