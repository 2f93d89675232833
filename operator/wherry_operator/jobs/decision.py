"""The decision about a job: its policies in order, and what is added to every decision."""

from dataclasses import replace
from datetime import datetime

from wherry_operator.jobs.plan import NOTHING, JobPlan, ObservedJob, next_moment
from wherry_operator.jobs.policies import JOB_POLICIES
from wherry_operator.jobs.policies.waiting import with_waiting


def plan_job(observed: ObservedJob, now: datetime) -> JobPlan:
    """Return what to do with a job now: the first policy with an answer decides."""
    plan = next((plan for policy in JOB_POLICIES if (plan := policy(observed, now))), NOTHING)
    plan = with_waiting(_with_generation(plan, observed), observed, now)
    return _with_look_again(plan, observed, now)


def _with_look_again(plan: JobPlan, observed: ObservedJob, now: datetime) -> JobPlan:
    """Set the timer by the status as it is after the plan, so that no event is needed for it."""
    if plan.delete or plan.look_again:
        return plan
    job = observed.job
    if plan.status is not None:
        job = job.model_copy(update={"status": plan.status})
    return replace(plan, look_again=next_moment(replace(observed, job=job), now))


def _with_generation(plan: JobPlan, observed: ObservedJob) -> JobPlan:
    job = observed.job
    generation = job.metadata.generation
    if plan.delete or job.metadata.deletion_timestamp or generation == 0:
        return plan
    status = plan.status or job.status
    if status.observed_generation == generation:
        return plan
    return replace(plan, status=status.model_copy(update={"observed_generation": generation}))
