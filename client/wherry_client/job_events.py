"""Apply the events of a job's stream to its status. Pure functions."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from wherry_client.errors import UnexpectedAnswerError
from wherry_client.event_stream import ServerEvent
from wherry_client.models import JobState, JobStatus


def apply(status: JobStatus | None, event: ServerEvent, now: datetime) -> JobStatus | None:
    """Return the status after ``event``; heartbeats and unknown events change nothing.

    Raises UnexpectedAnswerError when the event does not have the form of Wherry's API.
    """
    if event.name == "connected":
        return JobStatus.parse(_data(event))
    if status is None or status.ended or event.name not in {"progress", "completed", "failed"}:
        return status
    fields = _data(event)
    try:
        if event.name == "progress":
            return replace(
                status,
                state=JobState.PROCESSING,
                progress=int(fields["progress"]),
                completed_files=int(fields["completedFiles"]),
                total_files=int(fields["totalFiles"]),
                updated_at=now,
                queue_position=None,
                estimated_seconds=None,
            )
        status = replace(
            status, updated_at=now, completed_at=now, queue_position=None, estimated_seconds=None
        )
        if event.name == "failed":
            return replace(status, state=JobState.FAILED, error=str(fields["error"]))
        size = fields["size"]
        return replace(
            status,
            state=JobState.COMPLETED,
            progress=100,
            download_url=str(fields["downloadUrl"]),
            size=None if size is None else int(size),
        )
    except (KeyError, TypeError, ValueError):
        raise _unexpected(event) from None


def is_ambiguous(status: JobStatus | None, event: ServerEvent) -> bool:
    """Return whether ``event`` leaves open if the job is queued or processing.

    A queued job and one that has just started both report 0 per cent. Only the status document
    distinguishes them; it also has the queue position.
    """
    return (
        event.name == "progress"
        and status is not None
        and (status.state is JobState.QUEUED or status.progress > 0)
        and _data(event).get("progress") == 0
        and _data(event).get("completedFiles") == 0
    )


def has_changed(status: JobStatus, shown: JobStatus | None) -> bool:
    """Return whether ``status`` differs from ``shown`` in more than the time of the update."""
    return shown is None or replace(status, updated_at=shown.updated_at) != shown


def _data(event: ServerEvent) -> dict[str, Any]:
    try:
        fields = json.loads(event.data)
    except ValueError:
        raise _unexpected(event) from None
    if not isinstance(fields, dict):
        raise _unexpected(event)
    return fields


def _unexpected(event: ServerEvent) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"The stream sent an event {event.name[:40]!r} that Wherry's API does not send. "
        "Check the URL."
    )
