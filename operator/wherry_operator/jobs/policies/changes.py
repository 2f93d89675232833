"""Changes of a job's status that several policies make."""

from datetime import datetime, timedelta
from typing import Any, Final

from wherry_core.resources import (
    HOLDING_CONDITIONS,
    Condition,
    ConditionStatus,
    DownloadJob,
    DownloadJobStatus,
    Failure,
    Phase,
    set_condition,
    settle_conditions,
)
from wherry_core.resources.download_job import MAX_FAILURES

DEAD_LETTER_MESSAGE: Final = (
    "All attempts are used up. Retry with: kubectl annotate dlj {name} -n {namespace} "
    "wherry.dev/retry=now"
)

ENDED_MESSAGE: Final = "The job has ended."


def whole_second_after(moment: datetime) -> datetime:
    """Return the next whole second: Kubernetes times have no fractions, and must not be early."""
    return (
        moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)
    )


def condition(
    job: DownloadJob, kind: str, value: bool, reason: str, message: str, now: datetime
) -> Condition:
    """Return a condition of ``job`` as of now."""
    return Condition(
        type=kind,
        status=ConditionStatus.TRUE if value else ConditionStatus.FALSE,
        reason=reason[:128],
        message=message[:1024],
        last_transition_time=now.replace(microsecond=0),
        observed_generation=job.metadata.generation,
    )


def with_condition(status: DownloadJobStatus, new: Condition) -> DownloadJobStatus:
    """Return ``status`` with ``new`` in the place of the condition of its type."""
    return status.model_copy(update={"conditions": set_condition(status.conditions, new)})


def with_failure(status: DownloadJobStatus, failure: Failure) -> tuple[Failure, ...]:
    """Return the failures of ``status`` with one more, the newest last."""
    return (*status.failures, failure)[-MAX_FAILURES:]


def queued_again(status: DownloadJobStatus, now: datetime, **changes: Any) -> DownloadJobStatus:
    """Return ``status`` with the job in the queue for its next attempt."""
    return status.model_copy(
        update={
            "phase": Phase.QUEUED,
            "attempt": status.attempt + 1,
            "step": 0,
            "progress": 0,
            "runner": None,
            "queued_time": now.replace(microsecond=0),
            "next_attempt_time": None,
            **changes,
        }
    )


def ended(
    job: DownloadJob, phase: Phase, now: datetime, reason: str, **changes: Any
) -> DownloadJobStatus:
    """Return the status of ``job`` with the job ended; what said why it waits says so no more."""
    conditions = settle_conditions(
        job.status.conditions,
        HOLDING_CONDITIONS,
        reason=reason[:128],
        message=ENDED_MESSAGE,
        now=now,
        generation=job.metadata.generation,
    )
    return job.status.model_copy(
        update={
            "phase": phase,
            "runner": None,
            "next_attempt_time": None,
            "completion_time": now.replace(microsecond=0),
            "conditions": conditions,
            **changes,
        }
    )


def failed(
    job: DownloadJob,
    now: datetime,
    reason: str,
    message: str,
    *,
    dead_letter: bool = False,
    **changes: Any,
) -> DownloadJobStatus:
    """Return the status of ``job`` with the job ended as Failed."""
    status = ended(job, Phase.FAILED, now, reason, **changes)
    status = with_condition(status, condition(job, "Failed", True, reason, message, now))
    if not dead_letter:
        return status
    text = DEAD_LETTER_MESSAGE.format(name=job.metadata.name, namespace=job.metadata.namespace)
    return with_condition(status, condition(job, "DeadLettered", True, "AttemptsUsedUp", text, now))


def left_something(job: DownloadJob) -> bool:
    """Return whether an attempt ran of which nobody else removes the leftovers."""
    return job.status.start_time is not None and job.status.runner is None
