"""The JSON documents that clients send and receive; docs/api.md explains them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from wherry_core.job_snapshot import JobStatus
from wherry_core.resources import OnMissing

JOB_ID = "0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11"
FileId = (
    Annotated[int, Field(description="A whole number; stored as a string")]
    | Annotated[str, Field(min_length=1, max_length=256, pattern="^[^\\x00-\\x1f\\x7f]+$")]
)


class Document(BaseModel):
    """A JSON document; fields have the names of the wire format."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Initiate(Document):
    """A request for an archive."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"file_ids": [70000, 70001, 70002]}]}
    )

    file_ids: Annotated[list[FileId], Field(min_length=1, max_length=10_000)]
    """Ids of the files, in the order of the archive; duplicates count once."""
    jobId: Annotated[  # noqa: N815
        str | None, Field(min_length=1, max_length=255, pattern="^[\\x21-\\x7e]+$")
    ] = None
    """The same as the header Idempotency-Key. The job's own id is derived from it and returned."""
    archiveName: Annotated[  # noqa: N815
        str | None, Field(min_length=1, max_length=200, pattern="^[^/\\\\\\x00-\\x1f\\x7f]+$")
    ] = None
    """File name of the download; default: download-<first 8 characters of the id>.zip."""
    onMissing: OnMissing | None = None  # noqa: N815
    """Fail (default): a missing file fails the job. Manifest: it is left out and listed."""


class Initiated(Document):
    """An accepted job."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "jobId": JOB_ID,
                    "status": "queued",
                    "totalFileIds": 3,
                    "estimatedTimeSeconds": 6,
                }
            ]
        }
    )

    jobId: str  # noqa: N815
    """Id of the job on all other routes."""
    status: JobStatus
    """queued, or the status of the job of an earlier request with the same key."""
    totalFileIds: int  # noqa: N815
    """Requested files; duplicates count once."""
    estimatedTimeSeconds: int  # noqa: N815
    """Estimated seconds from the start of a runner to the end, from the jobs measured so far."""


class Status(Document):
    """The status of a job. Every field is always present; unknown values are null."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "jobId": JOB_ID,
                    "status": "completed",
                    "progress": 100,
                    "completedFiles": 3,
                    "totalFiles": 3,
                    "downloadUrl": f"/v1/download/{JOB_ID}",
                    "size": 3145870,
                    "error": None,
                    "createdAt": "2030-01-01T12:00:00Z",
                    "updatedAt": "2030-01-01T12:00:04Z",
                    "completedAt": "2030-01-01T12:00:04Z",
                    "queuePosition": None,
                    "estimatedTimeSeconds": None,
                }
            ]
        }
    )

    jobId: str  # noqa: N815
    """Id of the job."""
    status: JobStatus
    """queued, processing, completed or failed; a cancelled job is failed."""
    progress: Annotated[int, Field(ge=0, le=100)]
    """Percentage of the bytes that are in the archive."""
    completedFiles: Annotated[int, Field(ge=0)]  # noqa: N815
    """Files in the archive so far."""
    totalFiles: Annotated[int, Field(ge=0)]  # noqa: N815
    """Requested files; duplicates count once."""
    downloadUrl: str | None  # noqa: N815
    """Where to download the archive: a route of this API that redirects to a signed URL."""
    size: int | None
    """Size of the archive in bytes."""
    error: str | None
    """The reason for which the job failed, as a sentence."""
    createdAt: Annotated[str, Field(json_schema_extra={"format": "date-time"})]  # noqa: N815
    """Time at which the job was created."""
    updatedAt: Annotated[str, Field(json_schema_extra={"format": "date-time"})]  # noqa: N815
    """Time of this status."""
    completedAt: Annotated[  # noqa: N815
        str | None, Field(json_schema_extra={"format": "date-time"})
    ]
    """Time at which the job completed, failed or was cancelled."""
    queuePosition: int | None  # noqa: N815
    """Position in the queue, 1 for the next job; null when not queued or unknown."""
    estimatedTimeSeconds: int | None  # noqa: N815
    """Estimated seconds for the remaining files; null once the job has ended."""


class JobList(Document):
    """One page of the tenant's jobs, by id."""

    jobs: list[Status]
    """Jobs of this page."""
    nextCursor: str | None  # noqa: N815
    """Send it as cursor to get the next page; null on the last page."""


class Ticket(Document):
    """Opens the stream or the download of one job once, where no header can be sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"ticket": "q8Jx0m5v7dJ0cJwq2mGq1A7Ew2n3T5kR", "expiresInSeconds": 60}]
        }
    )

    ticket: str
    """Send it as the query parameter ticket."""
    expiresInSeconds: int  # noqa: N815
    """Seconds after which it expires."""


class Dependency(Document):
    """A system that the API needs."""

    status: str
    """ok or unavailable."""
    detail: str
    """What works without it."""


class Health(Document):
    """Health of the process."""

    status: str
    """ok, degraded (a dependency is unavailable), draining or unavailable."""
    dependencies: dict[str, Dependency]
    """kubernetes, redis and store."""


class Problem(Document):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:wherry:problem:job-not-found",
                    "title": "No such job",
                    "status": 404,
                    "detail": f"No job {JOB_ID!r} exists for this tenant. Check the job id.",
                }
            ]
        },
    )

    type: str
    """The type of problem; docs/api.md lists all types."""
    title: str
    """The problem in a few words, always the same for one type."""
    status: int
    """The HTTP status again."""
    detail: str
    """What went wrong this time and what to do, as a sentence."""


class ConnectedEvent(Status):
    """Event connected, the first on every stream: the full status."""


class ProgressEvent(Document):
    """Event progress."""

    progress: int
    completedFiles: int  # noqa: N815
    totalFiles: int  # noqa: N815


class CompletedEvent(Document):
    """Event completed, the last one of a job that succeeded."""

    downloadUrl: str  # noqa: N815
    size: int | None


class FailedEvent(Document):
    """Event failed, the last one of a job that failed or was cancelled or deleted."""

    error: str


class HeartbeatEvent(Document):
    """Event heartbeat: no news, and the connection is alive."""
