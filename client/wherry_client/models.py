"""The documents of the API: jobs, their status and their details."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from wherry_client.errors import UnexpectedAnswerError

Value = TypeVar("Value", str, int, bool)


class JobState(StrEnum):
    """The state of a job; a cancelled job is failed."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


TERMINAL_STATES: Final = frozenset({JobState.COMPLETED, JobState.FAILED})


@dataclass(frozen=True)
class Job:
    """An accepted job."""

    job_id: str
    """Identifies the job on every route."""
    state: JobState
    """Queued, or the state of the job that an earlier request with the same key created."""
    total_files: int
    """Requested files, each id counted once."""
    estimated_seconds: int
    """Seconds that the job will take once a runner has started it."""

    @property
    def ended(self) -> bool:
        """Whether the job has ended: an earlier request with the same key created it."""
        return self.state in TERMINAL_STATES

    @classmethod
    def parse(cls, document: Any) -> "Job":
        """Read the answer to a submission or a retry. Raises UnexpectedAnswerError."""
        fields = _object(document)
        return cls(
            job_id=_field(fields, "jobId", str),
            state=_state(fields),
            total_files=_field(fields, "totalFileIds", int),
            estimated_seconds=_field(fields, "estimatedTimeSeconds", int),
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the document of the API."""
        return {
            "jobId": self.job_id,
            "status": self.state.value,
            "totalFileIds": self.total_files,
            "estimatedTimeSeconds": self.estimated_seconds,
        }


@dataclass(frozen=True)
class JobStatus:
    """The status of a job at one moment."""

    job_id: str
    state: JobState
    progress: int
    """Per cent of the bytes that are in the archive, 0 to 100."""
    completed_files: int
    total_files: int
    created_at: datetime
    updated_at: datetime
    """When the job had this status."""
    completed_at: datetime | None = None
    """When the job completed or failed."""
    download_url: str | None = None
    """Route of the API that redirects to the archive; ``WherryClient.download`` fetches it."""
    size: int | None = None
    """Bytes of the archive; None until the job has completed."""
    error: str | None = None
    """Why the job failed, as a sentence."""
    queue_position: int | None = None
    """Position in the queue, counted from 1; None when unknown or not queued."""
    estimated_seconds: int | None = None
    """Seconds that the remaining files will take, estimated by the server."""

    @property
    def ended(self) -> bool:
        """Whether the job has completed or failed."""
        return self.state in TERMINAL_STATES

    @classmethod
    def parse(cls, document: Any) -> "JobStatus":
        """Read a status document. Raises UnexpectedAnswerError."""
        fields = _object(document)
        return cls(
            job_id=_field(fields, "jobId", str),
            state=_state(fields),
            progress=_field(fields, "progress", int),
            completed_files=_field(fields, "completedFiles", int),
            total_files=_field(fields, "totalFiles", int),
            created_at=_time(_field(fields, "createdAt", str)),
            updated_at=_time(_field(fields, "updatedAt", str)),
            completed_at=_optional_time(fields, "completedAt"),
            download_url=_optional(fields, "downloadUrl", str),
            size=_optional(fields, "size", int),
            error=_optional(fields, "error", str),
            queue_position=_optional(fields, "queuePosition", int),
            estimated_seconds=_optional(fields, "estimatedTimeSeconds", int),
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the document of the API."""
        return {
            "jobId": self.job_id,
            "status": self.state.value,
            "progress": self.progress,
            "completedFiles": self.completed_files,
            "totalFiles": self.total_files,
            "downloadUrl": self.download_url,
            "size": self.size,
            "error": self.error,
            "createdAt": format_time(self.created_at),
            "updatedAt": format_time(self.updated_at),
            "completedAt": format_time(self.completed_at) if self.completed_at else None,
            "queuePosition": self.queue_position,
            "estimatedTimeSeconds": self.estimated_seconds,
        }


@dataclass(frozen=True)
class JobPage:
    """One page of a listing."""

    jobs: tuple[JobStatus, ...]
    next_cursor: str | None
    """Cursor of the next page; None on the last one."""

    @classmethod
    def parse(cls, document: Any) -> "JobPage":
        """Read one page. Raises UnexpectedAnswerError."""
        fields = _object(document)
        jobs = fields.get("jobs")
        if not isinstance(jobs, list):
            raise _unexpected("jobs")
        return cls(
            jobs=tuple(JobStatus.parse(each) for each in jobs),
            next_cursor=_optional(fields, "nextCursor", str),
        )


@dataclass(frozen=True)
class FailedAttempt:
    """One attempt of a job that failed."""

    attempt: int
    """Number of the attempt, counted from 1."""
    reason: str
    """The cause as one CamelCase word, such as ``FilesNotFound``."""
    message: str
    """The cause as a sentence; empty when the reason says it all."""
    time: datetime
    infrastructure: bool
    """Whether the runner was lost; such an attempt does not count against the job."""


@dataclass(frozen=True)
class JobDetails:
    """What is known of a job beyond its status."""

    job_id: str
    archive_name: str
    """File name of the archive."""
    skipped_files: int
    """Missing files that were skipped; the archive's manifest.json lists them."""
    attempt: int
    """Number of the current or last attempt; 0 before the first."""
    failures: tuple[FailedAttempt, ...]
    """The failed attempts, oldest first; the server keeps the newest 20."""
    retry_of: str | None
    """Id of the failed job that this one repeats."""

    @classmethod
    def parse(cls, document: Any) -> "JobDetails":
        """Read the details of a job. Raises UnexpectedAnswerError."""
        fields = _object(document)
        failures = fields.get("failures")
        if not isinstance(failures, list):
            raise _unexpected("failures")
        return cls(
            job_id=_field(fields, "jobId", str),
            archive_name=_field(fields, "archiveName", str),
            skipped_files=_field(fields, "skippedFiles", int),
            attempt=_field(fields, "attempt", int),
            failures=tuple(_failed_attempt(_object(each)) for each in failures),
            retry_of=_optional(fields, "retryOf", str),
        )


def _failed_attempt(fields: Mapping[str, Any]) -> FailedAttempt:
    return FailedAttempt(
        attempt=_field(fields, "attempt", int),
        reason=_field(fields, "reason", str),
        message=_field(fields, "message", str),
        time=_time(_field(fields, "time", str)),
        infrastructure=_field(fields, "infrastructure", bool),
    )


def format_time(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _unexpected(name: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"The answer is not one of Wherry's API: {name} is missing or has another type. "
        "Check the URL."
    )


def _object(document: Any) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise UnexpectedAnswerError(
            "The answer is not one of Wherry's API: it is not a JSON object. Check the URL."
        )
    return document


def _field(fields: Mapping[str, Any], name: str, kind: type[Value]) -> Value:
    value = fields.get(name)
    # Compare the type: isinstance would accept a bool as an int.
    if type(value) is not kind:
        raise _unexpected(name)
    return value


def _optional(fields: Mapping[str, Any], name: str, kind: type[Value]) -> Value | None:
    return None if fields.get(name) is None else _field(fields, name, kind)


def _state(fields: Mapping[str, Any]) -> JobState:
    try:
        return JobState(_field(fields, "status", str))
    except ValueError:
        raise _unexpected("status") from None


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _unexpected("a time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _optional_time(fields: Mapping[str, Any], name: str) -> datetime | None:
    text = _optional(fields, name, str)
    return None if text is None else _time(text)
