"""Dead letters carry a label, and an annotation asks for a retry as a new job."""

from datetime import timedelta
from typing import Final

from wherry_core.resources import Phase
from wherry_core.resources.names import (
    DEAD_LETTER_LABEL,
    RETRY_ANNOTATION,
    JobCondition,
    JobReason,
)
from wherry_core.resources.retried_job import can_be_retried, retried_job_name
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob
from wherry_operator.jobs.status_changes import condition_is_true
from wherry_operator.policies import Stop

REFUSED_PAUSE: Final = timedelta(minutes=1)
"""Pause before the next try of a retry that the API server refused, for example by a quota."""
REMOVED: Final = {RETRY_ANNOTATION: None}


def label_dead_letter(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Label a dead letter, so that ``kubectl get dlj -l wherry.dev/dead-letter`` finds it."""
    job = observed.job
    if not job.ended or not condition_is_true(job.status, JobCondition.DEAD_LETTERED):
        return None
    if job.metadata.labels.get(DEAD_LETTER_LABEL) == "true":
        return None
    return Stop(
        JobPlan(
            reason=JobReason.DEAD_LETTERED,
            message="The job has used up its attempts.",
            labels={DEAD_LETTER_LABEL: "true"},
        )
    )


def retry_on_request(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Create a new job when an ended one carries the annotation that asks for a retry.

    The old job determines the name of the new one, so that doing it twice changes nothing.
    """
    job = observed.job
    if not job.ended or RETRY_ANNOTATION not in job.metadata.annotations:
        return None
    if not can_be_retried(job):
        return _decline_retry(job.status.phase)
    new = retried_job_name(job.metadata.uid)
    return Stop(
        JobPlan(
            reason=JobReason.RETRIED,
            message=f"The annotation {RETRY_ANNOTATION} asks for a retry.",
            retry=True,
            annotations=REMOVED,
            event=Event(JobReason.RETRIED, f"The new job {new} retries this one."),
            requeue_at=observed.now + REFUSED_PAUSE,
        )
    )


def _decline_retry(phase: Phase | None) -> Stop[JobPlan]:
    """Return the plan that says why a job is not retried, and removes the request."""
    message = (
        f"The annotation {RETRY_ANNOTATION} has no effect: the job is {phase}, and only a failed "
        "or cancelled job can be retried. To build the archive again, create a new DownloadJob."
    )
    return Stop(
        JobPlan(
            reason=JobReason.RETRY_REFUSED,
            message=message,
            annotations=REMOVED,
            event=Event(JobReason.RETRY_REFUSED, message, warning=True),
        )
    )
