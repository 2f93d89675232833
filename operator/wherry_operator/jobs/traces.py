"""The operator's spans of a job's trace: each wait in the queue, and finally the whole job."""

from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Final

from wherry_core import tracing
from wherry_core.resources import DownloadJobStatus, Phase
from wherry_operator.intake.job_view import JobView

WHOLE_SECOND: Final = timedelta(seconds=1)
"""Kubernetes times have no fractions, so the end may be up to a second later."""


def within(view: JobView) -> AbstractContextManager[None]:
    """Give logs in the body the job's trace."""
    metadata = view.job.metadata
    return tracing.within(tracing.of_job(metadata.uid, metadata.annotations))


def trace_wait(view: JobView) -> None:
    """Record the span of a wait in the queue that a claim has just ended."""
    if not tracing.on():
        return
    metadata, status = view.job.metadata, view.job.status
    if status.queued_time is None or status.attempt_start_time is None:
        return
    tracing.record(
        "queue",
        parent=tracing.of_job(metadata.uid, metadata.annotations),
        started=max(status.queued_time, status.next_attempt_time or status.queued_time),
        ended=status.attempt_start_time,
        attributes=_attributes(view, status),
    )


def trace_job(view: JobView, status: DownloadJobStatus, now: datetime, message: str = "") -> None:
    """Record the span of a job that ended with ``status``, from its creation."""
    if not tracing.on():
        return
    metadata = view.job.metadata
    ended = min(now, (status.completion_time or now) + WHOLE_SECOND)
    tracing.record_job(
        metadata.uid,
        metadata.annotations,
        started=metadata.creation_timestamp or ended,
        ended=ended,
        attributes={**_attributes(view, status), "wherry.phase": str(status.phase)},
        error=message if status.phase is Phase.FAILED else None,
    )


def _attributes(view: JobView, status: DownloadJobStatus) -> tracing.Attributes:
    return {
        "wherry.job": view.key,
        "wherry.pool": view.pool,
        "wherry.attempt": status.attempt,
        "wherry.files": view.files,
    }
