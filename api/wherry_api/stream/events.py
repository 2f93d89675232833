"""Server-sent events (WHATWG HTML, section 9.2), rendered from snapshots."""

from typing import Any, Final

import orjson

from wherry_api.services.status import download_url
from wherry_core.job_snapshot import JobSnapshot, JobStatus

HEARTBEAT: Final = b"event: heartbeat\ndata: {}\n\n"
END_MARK: Final = "end"


def event_id(snapshot: JobSnapshot) -> str:
    """Return the id of a snapshot's event: attempt, step, job, and a mark on the last event."""
    # The start of the uid, because a job that was recreated under its name is another job.
    parts = [str(snapshot.attempt), str(snapshot.step), snapshot.uid[:8]]
    return "-".join([*parts, END_MARK] if snapshot.terminal else parts)


def seen_to_the_end(last_event_id: str | None, snapshot: JobSnapshot) -> bool:
    """Return whether a client that reconnects has received the last event of this job."""
    return snapshot.terminal and last_event_id == event_id(snapshot)


def render(event: str, data: Any, identifier: str | None = None, retry: int | None = None) -> bytes:
    """Return one event. ``retry`` is in milliseconds."""
    head = f"event: {event}\n"
    if identifier is not None:
        head += f"id: {identifier}\n"
    if retry is not None:
        head += f"retry: {retry}\n"
    return b"%sdata: %s\n\n" % (head.encode(), orjson.dumps(data))


def name_of(snapshot: JobSnapshot) -> str:
    """Return the name of the event for ``snapshot``."""
    if snapshot.status is JobStatus.COMPLETED:
        return "completed"
    return "failed" if snapshot.status is JobStatus.FAILED else "progress"


def event_of(snapshot: JobSnapshot, public_url: str | None) -> bytes:
    """Return the event for ``snapshot``, without the full status."""
    data: dict[str, Any]
    if snapshot.status is JobStatus.COMPLETED:
        data = {"downloadUrl": download_url(snapshot, public_url), "size": snapshot.size}
    elif snapshot.status is JobStatus.FAILED:
        data = {"error": snapshot.error or "The job failed."}
    else:
        data = {
            "progress": snapshot.progress,
            "completedFiles": snapshot.completed_files,
            "totalFiles": snapshot.total_files,
        }
    return render(name_of(snapshot), data, event_id(snapshot))
