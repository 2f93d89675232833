"""Dead letters: found by a label, and tried again on request by a new job."""

import uuid
from datetime import datetime
from typing import Final

from wherry_core.resources import Phase
from wherry_operator.event_recorder import Event
from wherry_operator.intake.job_view import DEAD_LETTER_LABEL, RETRIES_ANNOTATION, RETRY_ANNOTATION
from wherry_operator.jobs.plan import JobPlan, ObservedJob, condition_is_true

RETRY_NAMES: Final = uuid.UUID("6f0e0c55-8a1e-5a52-9d4c-3a1d7c9b2f10")
"""Name space (RFC 9562) of the names of retried jobs."""


def retry_name(uid: str, number: int) -> str:
    """Return the name of a retry, which the old job and the number determine."""
    return str(uuid.uuid5(RETRY_NAMES, f"{uid}/{number}"))


def retry_on_request(observed: ObservedJob, _now: datetime) -> JobPlan | None:
    """Make a new job of a failed or cancelled one that carries the annotation for it.

    The number of earlier retries names the new job, so that making it twice changes nothing.
    """
    metadata = observed.job.metadata
    if RETRY_ANNOTATION not in metadata.annotations:
        return None
    if observed.job.status.phase not in {Phase.FAILED, Phase.CANCELLED}:
        return None
    count = metadata.annotations.get(RETRIES_ANNOTATION, "0")
    number = (int(count) if count.isdecimal() else 0) + 1
    return JobPlan(
        reason="RetryRequested",
        message=f"The annotation {RETRY_ANNOTATION} asks for another try.",
        retry_number=number,
        annotations={RETRY_ANNOTATION: None, RETRIES_ANNOTATION: str(number)},
        event=Event(
            "Retried", f"Retry number {number} is the new job {retry_name(metadata.uid, number)}."
        ),
    )


def label_dead_letter(observed: ObservedJob, _now: datetime) -> JobPlan | None:
    """Label a dead letter, so that ``kubectl get dlj -l wherry.dev/dead-letter`` finds it."""
    job = observed.job
    if not job.ended or not condition_is_true(job.status, "DeadLettered"):
        return None
    if job.metadata.labels.get(DEAD_LETTER_LABEL) == "true":
        return None
    return JobPlan(
        reason="DeadLettered",
        message="All attempts are used up.",
        labels={DEAD_LETTER_LABEL: "true"},
    )
