"""What the server tells: jobs and how they stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from wherry_client.errors import UnexpectedAnswerError

Value = TypeVar("Value", str, int)


class JobState(StrEnum):
    """Where a job stands; a cancelled job is failed."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


ENDED: Final = frozenset({JobState.COMPLETED, JobState.FAILED})


@dataclass(frozen=True)
class Job:
    """A job that was accepted."""

    job_id: str
    """Names the job everywhere."""
    state: JobState
    """Queued, or how an earlier request with the same idempotency key stands."""
    total_files: int
    """Files asked for, each id counted once."""
    estimated_seconds: int
    """Seconds that the files will take once a runner has started."""

    @property
    def ended(self) -> bool:
        """True when it was asked for before and has ended."""
        return self.state in ENDED

    @classmethod
    def parse(cls, document: Any) -> "Job":
        """Read the answer to a submission. Raises UnexpectedAnswerError."""
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
    """How a job stands at one moment."""

    job_id: str
    state: JobState
    progress: int
    """Per cent of the bytes that are in the archive."""
    completed_files: int
    total_files: int
    created_at: datetime
    updated_at: datetime
    """When this was true."""
    completed_at: datetime | None = None
    """When the job ended, well or not."""
    download_url: str | None = None
    """Route of the API that redirects to the archive; ``WherryClient.download`` fetches it."""
    size: int | None = None
    """Bytes of the archive, once it is there."""
    error: str | None = None
    """Why the job failed, as a sentence."""
    queue_position: int | None = None
    """Place in the queue, 1 for the next one."""
    estimated_seconds: int | None = None
    """Seconds that the files which are left will take, by the server's measurements."""

    @property
    def ended(self) -> bool:
        """True when nothing comes after this."""
        return self.state in ENDED

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
    """Gives the next page; None on the last one."""

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


def format_time(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _unexpected(name: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"The answer is not one of Wherry's API: {name} is missing or of another kind. "
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
    # A bool is an int in Python, so the type is compared and not tested with isinstance.
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
