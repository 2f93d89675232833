"""The condition Waiting: why a job has waited for some time, and what to do about it.

It is no policy that decides; it adds to what the others decided. A job that starts soon never
has it. Where something is written anyway it goes into that write; else it waits for its turn,
so that many waiting jobs do not get in the way of decisions.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from wherry_core.resources import DownloadJob, DownloadJobStatus, Phase, settle_conditions
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, Note, ObservedJob, explain_moment
from wherry_operator.jobs.policies.changes import condition, with_condition
from wherry_operator.jobs.policies.unknown_pool import POOL_NOT_FOUND, unknown_pool_message
from wherry_operator.pools.situation import Cause, why_jobs_wait

CONDITION: Final = "Waiting"
NO_LONGER: Final = "The job no longer waits for a runner."


def with_waiting(plan: JobPlan, observed: ObservedJob, now: datetime) -> JobPlan:
    """Return ``plan`` with the condition as it is to be after it."""
    if plan.delete or observed.job.metadata.deletion_timestamp is not None:
        return plan
    status = plan.status or observed.job.status
    job = observed.job.model_copy(update={"status": status})
    if status.phase is not Phase.QUEUED or job.spec.suspend:
        if plan.status is None:
            return plan
        return replace(plan, status=_no_longer(job, plan.reason, now))
    cause = why_it_waits(replace(observed, job=job), now)
    if cause is None or cause.reason == _told(status):
        return plan
    if plan.status is None and not observed.may_explain:
        return replace(plan, note=Note.WANTED)
    new = condition(job, CONDITION, True, cause.reason, cause.message, now)
    event = plan.event
    if event is None and cause.reason == POOL_NOT_FOUND:
        event = Event(cause.reason, cause.message, warning=True)
    return replace(plan, status=with_condition(status, new), note=Note.WRITTEN, event=event)


def wants_note(observed: ObservedJob, now: datetime) -> bool:
    """Return whether a job that waits is still to be told why, or to be told otherwise."""
    job = observed.job
    if job.status.phase is not Phase.QUEUED or job.metadata.deletion_timestamp is not None:
        return False
    if job.spec.suspend or job.spec.cancel:
        return False
    cause = why_it_waits(observed, now)
    return cause is not None and cause.reason != _told(job.status)


def why_it_waits(observed: ObservedJob, now: datetime) -> Cause | None:
    """Return why a queued job waits; None as long as it is too early to tell.

    What was told once is followed at once: it must not go on saying what no longer holds.
    """
    job = observed.job
    if not observed.pool_exists:
        return Cause(POOL_NOT_FOUND, unknown_pool_message(job))
    moment = explain_moment(job, observed.rules)
    if _told(job.status) is None and (moment is None or moment > now):
        return None
    due = job.status.next_attempt_time
    if due is not None and due > now:
        return Cause("WaitingForRetry", "The last attempt failed; the next one follows a pause.")
    if observed.redis_away:
        return Cause(
            "RedisAway",
            "Redis does not answer the operator, so that no runner can be given the job. The job "
            "goes on by itself once Redis is back.",
        )
    if observed.held:
        return Cause(
            "TenantLimit",
            f"The tenant {job.metadata.namespace} has as many jobs in work as it may "
            "(WHERRY_TENANT_RUNNING_LIMIT of the operator). The job follows as they end.",
        )
    return why_jobs_wait(observed.pool) if observed.pool is not None else None


def _told(status: DownloadJobStatus) -> str | None:
    return next(
        (
            each.reason
            for each in status.conditions
            if each.type == CONDITION and each.status == "True"
        ),
        None,
    )


def _no_longer(job: DownloadJob, reason: str, now: datetime) -> DownloadJobStatus:
    conditions = settle_conditions(
        job.status.conditions,
        (CONDITION,),
        reason=reason,
        message=NO_LONGER,
        now=now,
        generation=job.metadata.generation,
    )
    return job.status.model_copy(update={"conditions": conditions})
