"""The condition Waiting: why a job has waited for some time, and what to do about it.

A job that starts soon never has it. It is part of a write that is made anyway, or else an
explanation of lower urgency, so that many waiting jobs do not delay decisions.
"""

from dataclasses import replace
from typing import Final

from wherry_core.resources import DownloadJob, DownloadJobStatus, Phase, settle_conditions
from wherry_core.resources.names import JobCondition, JobReason
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.deadlines import explain_moment
from wherry_operator.jobs.plan import Explanation, JobPlan, ObservedJob
from wherry_operator.jobs.policies.unknown_pool import unknown_pool_message
from wherry_operator.jobs.status_changes import condition, find_condition, with_condition
from wherry_operator.pools.situation import Cause, why_jobs_wait

NO_LONGER: Final = "The job no longer waits for a runner."


def explain_waiting(observed: ObservedJob, plan: JobPlan) -> JobPlan | None:
    """Add the condition as it should be after ``plan``."""
    if plan.delete or observed.job.metadata.deletion_timestamp is not None:
        return None
    status = plan.status or observed.job.status
    job = observed.job.model_copy(update={"status": status})
    if status.phase is not Phase.QUEUED or job.spec.suspend:
        return (
            None if plan.status is None else replace(plan, status=_no_longer(job, plan, observed))
        )
    cause = why_it_waits(replace(observed, job=job))
    given = given_reason(status)
    if cause is None or cause.reason == given:
        return None
    new = condition(job, JobCondition.WAITING, True, cause.reason, cause.message, observed.now)
    explained = with_condition(status, new)
    event = plan.event
    if event is None and cause.reason == JobReason.POOL_NOT_FOUND:
        event = Event(cause.reason, cause.message, warning=True)
    if plan.status is not None:
        return replace(plan, status=explained, event=event)
    return replace(
        plan, explanation=Explanation(status=explained, first=given is None, event=event)
    )


def why_it_waits(observed: ObservedJob) -> Cause | None:
    """Return why a queued job waits; None as long as it is too early to say.

    Once the condition is set, it is updated as soon as it becomes stale.
    """
    job = observed.job
    if not observed.pool_exists:
        return Cause(JobReason.POOL_NOT_FOUND, unknown_pool_message(job))
    moment = explain_moment(job, observed.rules)
    if given_reason(job.status) is None and (moment is None or moment > observed.now):
        return None
    due = job.status.next_attempt_time
    if due is not None and due > observed.now:
        return Cause(
            JobReason.WAITING_FOR_RETRY,
            "The last attempt failed. The next one starts after a pause.",
        )
    if observed.redis_unavailable:
        return Cause(
            JobReason.REDIS_UNAVAILABLE,
            "Redis does not answer the operator, so no runner can get the job. The job continues "
            "by itself once Redis is available.",
        )
    if observed.held:
        return Cause(
            JobReason.TENANT_LIMIT,
            f"The tenant {job.metadata.namespace} has reached its limit of queued and running jobs "
            "(WHERRY_TENANT_RUNNING_LIMIT of the operator). The job starts when others end.",
        )
    if observed.pool is None:
        return Cause(
            JobReason.POOL_UNREADABLE,
            f"This release of Wherry cannot read the RunnerPool {job.spec.pool}, so it starts no "
            "runner. The pool's condition Readable says why: kubectl describe rpool -A",
        )
    return why_jobs_wait(observed.pool)


def given_reason(status: DownloadJobStatus) -> str | None:
    """Return the reason for waiting that ``status`` gives, or None when it gives none."""
    waiting = find_condition(status, JobCondition.WAITING)
    return waiting.reason if waiting else None


def _no_longer(job: DownloadJob, plan: JobPlan, observed: ObservedJob) -> DownloadJobStatus:
    conditions = settle_conditions(
        job.status.conditions,
        (JobCondition.WAITING,),
        reason=plan.reason,
        message=NO_LONGER,
        now=observed.now,
        generation=job.metadata.generation,
    )
    return job.status.model_copy(update={"conditions": conditions})
