"""The status document of a snapshot."""

from wherry_api.openapi.schemas import Status
from wherry_core.job_snapshot import JobSnapshot, JobStatus
from wherry_core.resources.base import format_time

DOWNLOAD_PATH = "/v1/download/"


def download_url(snapshot: JobSnapshot, public_url: str | None) -> str | None:
    """Return the URL of the redirect to the archive, None until the job has completed."""
    if snapshot.status is not JobStatus.COMPLETED:
        return None
    return f"{public_url or ''}{DOWNLOAD_PATH}{snapshot.name}"


def status_of(
    snapshot: JobSnapshot,
    *,
    public_url: str | None,
    queue_position: int | None = None,
    seconds_per_file: float,
) -> Status:
    """Return the status document of a job."""
    left = snapshot.total_files - snapshot.completed_files
    return Status(
        jobId=snapshot.name,
        status=snapshot.status,
        progress=snapshot.progress,
        completedFiles=snapshot.completed_files,
        totalFiles=snapshot.total_files,
        downloadUrl=download_url(snapshot, public_url),
        size=snapshot.size,
        error=snapshot.error,
        createdAt=format_time(snapshot.created_at),
        updatedAt=format_time(snapshot.updated_at),
        completedAt=format_time(snapshot.completed_at) if snapshot.completed_at else None,
        queuePosition=queue_position,
        estimatedTimeSeconds=None if snapshot.terminal else -int(-left * seconds_per_file // 1),
    )
