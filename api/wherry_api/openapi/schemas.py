"""The documents that clients send and get, field by field; docs/api.md explains them."""

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
    """A JSON document; names are the ones on the wire."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Initiate(Document):
    """What to bundle."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"file_ids": [70000, 70001, 70002]}]}
    )

    file_ids: Annotated[list[FileId], Field(min_length=1, max_length=10_000)]
    """Ids of the files, in the order in which the archive lists them; each counts once."""
    jobId: Annotated[  # noqa: N815
        str | None, Field(min_length=1, max_length=255, pattern="^[\\x21-\\x7e]+$")
    ] = None
    """Works as the header Idempotency-Key; the job's own id is made from it and answered."""
    archiveName: Annotated[  # noqa: N815
        str | None, Field(min_length=1, max_length=200, pattern="^[^/\\\\\\x00-\\x1f\\x7f]+$")
    ] = None
    """File name that a browser saves; download-<first eight of the id>.zip when left out."""
    onMissing: OnMissing | None = None  # noqa: N815
    """Fail (the default): a missing file fails the job. Manifest: it is skipped and listed."""


class Initiated(Document):
    """A job that was accepted."""

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
    """Names the job on every other route."""
    status: JobStatus
    """queued, or how an earlier request with the same key stands."""
    totalFileIds: int  # noqa: N815
    """Files asked for, each id counted once."""
    estimatedTimeSeconds: int  # noqa: N815
    """Seconds that the files will take once a runner has started, by the jobs measured so far."""


class Status(Document):
    """How a job stands. Every field is always there; what is not known is null."""

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
    """Names the job."""
    status: JobStatus
    """queued, processing, completed or failed; a cancelled job is failed."""
    progress: Annotated[int, Field(ge=0, le=100)]
    """Per cent of the bytes that are in the archive."""
    completedFiles: Annotated[int, Field(ge=0)]  # noqa: N815
    """Files in the archive so far."""
    totalFiles: Annotated[int, Field(ge=0)]  # noqa: N815
    """Files asked for, each id counted once."""
    downloadUrl: str | None  # noqa: N815
    """Where to fetch the archive: a route of this API that redirects, never a signed URL."""
    size: int | None
    """Bytes of the archive."""
    error: str | None
    """Why the job failed, as a sentence."""
    createdAt: Annotated[str, Field(json_schema_extra={"format": "date-time"})]  # noqa: N815
    """When the job was created."""
    updatedAt: Annotated[str, Field(json_schema_extra={"format": "date-time"})]  # noqa: N815
    """When this was true."""
    completedAt: Annotated[  # noqa: N815
        str | None, Field(json_schema_extra={"format": "date-time"})
    ]
    """When the job ended, well or not."""
    queuePosition: int | None  # noqa: N815
    """Place in the queue, 1 for the next one; null when not queued or not known."""
    estimatedTimeSeconds: int | None  # noqa: N815
    """Seconds that the files which are left will take; null once the job has ended."""


class JobList(Document):
    """Some of the tenant's jobs, by id."""

    jobs: list[Status]
    """The jobs of this page."""
    nextCursor: str | None  # noqa: N815
    """Give it as cursor for the next page; null on the last one."""


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
    """Seconds until it is void, used or not."""


class Dependency(Document):
    """One thing that the API leans on."""

    status: str
    """ok or unavailable."""
    detail: str
    """What works without it."""


class Health(Document):
    """How the process stands."""

    status: str
    """ok, degraded (something the API leans on is down), draining or unavailable."""
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
                    "title": "There is no such job",
                    "status": 404,
                    "detail": f"There is no job {JOB_ID}.",
                }
            ]
        },
    )

    type: str
    """Which problem: a row of the table in the documentation."""
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
    """Event completed, the last one of a job that went well."""

    downloadUrl: str  # noqa: N815
    size: int | None


class FailedEvent(Document):
    """Event failed, the last one of a job that did not, or that was cancelled or deleted."""

    error: str


class HeartbeatEvent(Document):
    """Event heartbeat: nothing new, and the connection lives."""
