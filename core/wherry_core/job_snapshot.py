"""The snapshot of a job that polling and streams show: newest wins, terminal is final."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from wherry_core.resources import DownloadJob, Phase, ResourceModel
from wherry_core.resources.base import Time
from wherry_core.resources.names import JobCondition

QUEUED_STEP: Final = 0
CANCELLED_MESSAGE: Final = "The job was cancelled."
DELETED_MESSAGE: Final = "The job was deleted."


class JobStatus(StrEnum):
    """The status that HTTP clients see."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


STATUS_OF_PHASE: Final = {
    Phase.QUEUED: JobStatus.QUEUED,
    Phase.PROCESSING: JobStatus.PROCESSING,
    Phase.COMPLETED: JobStatus.COMPLETED,
    Phase.FAILED: JobStatus.FAILED,
    Phase.CANCELLED: JobStatus.FAILED,
}


class StoredArchive(ResourceModel):
    """Location of a finished archive: enough to presign a URL without the API server."""

    bucket: str
    key: str
    name: str


class JobSnapshot(ResourceModel):
    """Everything that a subscriber needs to know of a job at one moment.

    ``(attempt, step)`` orders the snapshots of a job; a terminal one comes after all others.
    """

    namespace: str
    name: str
    uid: str
    status: JobStatus
    attempt: Annotated[int, Field(ge=0)] = 0
    step: Annotated[int, Field(ge=0)] = QUEUED_STEP
    progress: Annotated[int, Field(ge=0, le=100)] = 0
    completed_files: Annotated[int, Field(ge=0)] = 0
    total_files: Annotated[int, Field(ge=0)] = 0
    size: int | None = None
    error: str | None = None
    created_at: Time
    updated_at: Time
    completed_at: Time | None = None
    archive: StoredArchive | None = None
    pool: str | None = None
    started_at: Time | None = None
    release: str | None = None
    """Release that published the snapshot, ``namespace/name``; None where it has no name."""

    @property
    def terminal(self) -> bool:
        """True when no snapshot comes after this one."""
        return self.status in {JobStatus.COMPLETED, JobStatus.FAILED}

    @property
    def order(self) -> tuple[bool, int, int]:
        """The sort key of snapshots of one job: older ones are smaller."""
        return (self.terminal, self.attempt, self.step)

    def newer_than(self, other: "JobSnapshot | None") -> bool:
        """True when this snapshot may be shown after ``other``."""
        return other is None or self.order > other.order


def deleted(last: JobSnapshot) -> JobSnapshot:
    """Return the terminal snapshot of a job whose resource is gone, made from its newest one."""
    return last.model_copy(update={"status": JobStatus.FAILED, "error": DELETED_MESSAGE})


def error_message(job: DownloadJob) -> str | None:
    """Return why the job failed or was cancelled, as a sentence, or None."""
    if job.status.phase is Phase.CANCELLED:
        return CANCELLED_MESSAGE
    if job.status.phase is not Phase.FAILED:
        return None
    for condition in job.status.conditions:
        if condition.type == JobCondition.FAILED and condition.message:
            return condition.message
    return job.status.failures[-1].message if job.status.failures else "The job failed."


def snapshot_of(job: DownloadJob, now: datetime | None = None) -> JobSnapshot:
    """Return the snapshot of a resource.

    ``now`` is the time at which it was read, by default the wall clock, because a resource does
    not record when its status last changed.
    """
    status = job.status
    read_at = now or datetime.now(UTC)
    created = job.metadata.creation_timestamp or read_at
    completed = status.phase is Phase.COMPLETED
    archive = status.archive if completed else None
    total = status.files.total or len(set(job.spec.file_ids))
    return JobSnapshot(
        namespace=job.metadata.namespace,
        name=job.metadata.name,
        uid=job.metadata.uid,
        status=STATUS_OF_PHASE[status.phase] if status.phase else JobStatus.QUEUED,
        attempt=status.attempt,
        step=status.step if status.phase is not Phase.QUEUED else QUEUED_STEP,
        progress=100 if completed else status.progress,
        completed_files=status.files.completed,
        total_files=total,
        size=archive.size if archive else None,
        error=error_message(job),
        created_at=created,
        updated_at=status.completion_time or read_at,
        completed_at=status.completion_time,
        archive=StoredArchive(bucket=archive.bucket, key=archive.key, name=archive.name)
        if archive
        else None,
        pool=job.spec.pool,
        started_at=status.start_time,
    )
