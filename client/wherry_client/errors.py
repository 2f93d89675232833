"""What can go wrong, as exceptions; those that the server tells of come from RFC 9457 problems."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

PROBLEM_PREFIX: Final = "urn:wherry:problem:"


class WherryError(Exception):
    """Base of all exceptions of this package; the text is a sentence for a person."""


class BadArgumentError(WherryError, ValueError):
    """What the caller gave cannot be right: nothing was sent."""


class UnreachableError(WherryError):
    """The server, or the store that holds the archives, could not be reached or fell silent."""


class UnexpectedAnswerError(WherryError):
    """What answered does not speak as Wherry's API does: mostly a wrong URL, or a proxy."""


class DownloadError(WherryError):
    """The archive that arrived is not the one that was promised; what was written is kept apart."""


@dataclass(frozen=True)
class Fault:
    """One part of a request that is at fault."""

    where: str
    """A JSON pointer into the body (RFC 6901), or the name of a query parameter."""
    detail: str


@dataclass(frozen=True)
class Problem:
    """A problem document (RFC 9457)."""

    status: int
    type: str = "about:blank"
    title: str = ""
    detail: str = ""
    faults: tuple[Fault, ...] = ()
    retry_after: float | None = None
    """Seconds after which the server wants to be asked again."""
    members: Mapping[str, Any] = field(default_factory=dict)
    """All other members of the document, such as jobStatus."""

    @property
    def is_blank(self) -> bool:
        """Whether there was no document: a proxy's answer, or none of Wherry's at all."""
        return self.type == "about:blank"


class ProblemError(WherryError):
    """The server refused; ``problem`` has its reasons."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(
            problem.detail
            or problem.title
            or f"The server answered {problem.status}, without saying why."
        )
        self.problem = problem

    def __reduce__(self) -> tuple[type["ProblemError"], tuple[Problem]]:
        """Pickle by the problem: the default would pass the text."""
        return (type(self), (self.problem,))


class InvalidRequestError(ProblemError):
    """The request cannot be right as it is; ``problem.faults`` may name the parts."""


class TooManyFilesError(InvalidRequestError):
    """More ids than one job takes, or ids that are too long in all: split the request."""


class KeyReusedError(InvalidRequestError):
    """The idempotency key belongs to another request."""


class CursorExpiredError(InvalidRequestError):
    """The listing took too long, start it again."""


class UnauthenticatedError(ProblemError):
    """The token is missing, wrong or expired."""


class ForbiddenError(ProblemError):
    """The token is known and may not do that."""


class JobNotFoundError(ProblemError):
    """There is no such job for this token."""


class JobExpiredError(ProblemError):
    """The job was there; it and its archive are gone."""


class JobNotReadyError(ProblemError):
    """The archive is not there yet: wait for the end of the job."""


class JobFailedError(ProblemError):
    """The job has ended without an archive."""


class JobNotEndedError(ProblemError):
    """Only a failed or cancelled job can be retried."""


class RateLimitedError(ProblemError):
    """Too many requests, jobs or streams: ask again after ``problem.retry_after`` seconds."""


class UnavailableError(ProblemError):
    """The service cannot take this for now: ask again after ``problem.retry_after`` seconds."""


class ServerError(ProblemError):
    """The server made a mistake."""


_BY_SLUG: Final[dict[str, type[ProblemError]]] = {
    "job-not-found": JobNotFoundError,
    "job-not-ready": JobNotReadyError,
    "job-failed": JobFailedError,
    "job-not-ended": JobNotEndedError,
    "job-expired": JobExpiredError,
    "cursor-expired": CursorExpiredError,
    "body-too-large": TooManyFilesError,
    "too-many-file-ids": TooManyFilesError,
    "idempotency-key-reused": KeyReusedError,
}
_BY_STATUS: Final[dict[int, type[ProblemError]]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    429: RateLimitedError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def parse_problem(status: int, document: Any, retry_after: str | None = None) -> Problem:
    """Return the problem that an error answer tells of, however little of it is there."""
    known = document if isinstance(document, dict) else {}
    seconds = parse_retry_after(retry_after)
    if not isinstance(known.get("type"), str):
        return Problem(status=status, retry_after=seconds)
    listed = known.get("errors")
    faults = tuple(
        Fault(str(each.get("pointer") or each.get("parameter") or ""), str(each.get("detail", "")))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    )
    named = {"type", "title", "status", "detail", "errors"}
    return Problem(
        status=status,
        type=known["type"],
        title=str(known.get("title", "")),
        detail=str(known.get("detail", "")),
        faults=faults,
        retry_after=seconds,
        members={name: value for name, value in known.items() if name not in named},
    )


def error_of(problem: Problem) -> ProblemError:
    """Return the exception for a problem: by its type, else by its status."""
    kind = _BY_SLUG.get(problem.type.removeprefix(PROBLEM_PREFIX)) or _BY_STATUS.get(problem.status)
    if kind is None:
        kind = ServerError if problem.status >= 500 else InvalidRequestError
    return kind(problem)
