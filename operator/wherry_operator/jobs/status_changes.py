"""Conditions of a job, and the changes of its status that several policies make."""

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
from wherry_core.resources.names import RETRY_ANNOTATION, JobCondition, JobReason

MAX_REASON_LENGTH: Final = 128
MAX_MESSAGE_LENGTH: Final = 1024
"""Limits of the schema for the reason and the message of a condition."""

DEAD_LETTER_MESSAGE: Final = (
    "The job has used up its attempts. To retry it as a new job: "
    f"kubectl annotate dlj {{name}} -n {{namespace}} {RETRY_ANNOTATION}=now"
)
ENDED_MESSAGE: Final = "The job has ended."
SUSPENDED_MESSAGE: Final = "spec.suspend is true. To resume the job, set it to false."


def whole_second_after(moment: datetime) -> datetime:
    """Return the next whole second, because Kubernetes times have no fractions."""
    return (
        moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)
    )


def find_condition(status: DownloadJobStatus, kind: JobCondition) -> Condition | None:
    """Return the condition of the type ``kind`` when its status is True, else None."""
    return next(
        (
            each
            for each in status.conditions
            if each.type == kind and each.status == ConditionStatus.TRUE
        ),
        None,
    )


def condition_is_true(status: DownloadJobStatus, kind: JobCondition) -> bool:
    """Return whether the condition of the type ``kind`` has the status True."""
    return find_condition(status, kind) is not None


def condition(
    job: DownloadJob, kind: JobCondition, value: bool, reason: str, message: str, now: datetime
) -> Condition:
    """Return a condition of ``job`` that changes now."""
    return Condition(
        type=kind.value,
        status=ConditionStatus.TRUE if value else ConditionStatus.FALSE,
        reason=reason[:MAX_REASON_LENGTH],
        message=message[:MAX_MESSAGE_LENGTH],
        last_transition_time=now.replace(microsecond=0),
        observed_generation=job.metadata.generation,
    )


def with_condition(status: DownloadJobStatus, new: Condition) -> DownloadJobStatus:
    """Return ``status`` with ``new`` in place of the condition of its type."""
    return status.model_copy(update={"conditions": set_condition(status.conditions, new)})


def with_failure(status: DownloadJobStatus, failure: Failure) -> tuple[Failure, ...]:
    """Return the failures of ``status`` and one more, the newest last."""
    return (*status.failures, failure)[-MAX_FAILURES:]


def queued_again(status: DownloadJobStatus, now: datetime, **changes: Any) -> DownloadJobStatus:
    """Return ``status`` with the job waiting for its next attempt."""
    return status.model_copy(
        update={
            "phase": Phase.QUEUED,
            "attempt": status.attempt + 1,
            "step": 0,
            "progress": 0,
            "runner": None,
            "runner_uid": None,
            "queued_time": now.replace(microsecond=0),
            "next_attempt_time": None,
            **changes,
        }
    )


def suspended(job: DownloadJob, status: DownloadJobStatus, now: datetime) -> DownloadJobStatus:
    """Return ``status``, a status of ``job``, with the condition Suspended."""
    return with_condition(
        status,
        condition(
            job,
            JobCondition.SUSPENDED,
            True,
            JobReason.SUSPEND_REQUESTED,
            SUSPENDED_MESSAGE,
            now,
        ),
    )


def ended(
    job: DownloadJob, phase: Phase, now: datetime, reason: str, **changes: Any
) -> DownloadJobStatus:
    """Return the status of ``job`` after its end. Conditions that held it become False."""
    conditions = settle_conditions(
        job.status.conditions,
        HOLDING_CONDITIONS,
        reason=reason[:MAX_REASON_LENGTH],
        message=ENDED_MESSAGE,
        now=now,
        generation=job.metadata.generation,
    )
    return job.status.model_copy(
        update={
            "phase": phase,
            "runner": None,
            "runner_uid": None,
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
    """Return the status of ``job`` after its end as Failed."""
    status = ended(job, Phase.FAILED, now, reason, **changes)
    status = with_condition(status, condition(job, JobCondition.FAILED, True, reason, message, now))
    if not dead_letter:
        return status
    text = DEAD_LETTER_MESSAGE.format(name=job.metadata.name, namespace=job.metadata.namespace)
    return with_condition(
        status,
        condition(job, JobCondition.DEAD_LETTERED, True, JobReason.ATTEMPTS_USED_UP, text, now),
    )


def must_clean_up(job: DownloadJob) -> bool:
    """Return whether the operator must clean up after the last attempt.

    A runner that still holds the job does it itself when it is asked to stop.
    """
    return job.status.start_time is not None and job.status.runner is None
